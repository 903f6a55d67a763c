// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"time"
)

// clusterEntity is a cluster as it is answered, in GitLab's order (lib/api/entities/cluster.rb).
type clusterEntity struct {
	ID                      int64           `json:"id"`
	Name                    string          `json:"name"`
	CreatedAt               string          `json:"created_at"`
	Domain                  *string         `json:"domain"`
	Enabled                 *bool           `json:"enabled"`
	Managed                 bool            `json:"managed"`
	ProviderType            string          `json:"provider_type"`
	PlatformType            string          `json:"platform_type"`
	EnvironmentScope        string          `json:"environment_scope"`
	ClusterType             string          `json:"cluster_type"`
	NamespacePerEnvironment bool            `json:"namespace_per_environment"`
	User                    *userEntity     `json:"user"`
	PlatformKubernetes      *platformEntity `json:"platform_kubernetes"`
	ProviderGCP             *ProviderGCP    `json:"provider_gcp"`
	ManagementProject       *projectEntity  `json:"management_project"`
}

type userEntity struct {
	ID          int64   `json:"id"`
	Username    string  `json:"username"`
	PublicEmail *string `json:"public_email"`
	Name        string  `json:"name"`
	State       string  `json:"state"`
	Locked      bool    `json:"locked"`
	AvatarURL   *string `json:"avatar_url"`
	WebURL      string  `json:"web_url"`
}

type platformEntity struct {
	APIURL            string  `json:"api_url"`
	Namespace         *string `json:"namespace"`
	AuthorizationType string  `json:"authorization_type"`
	CACert            *string `json:"ca_cert"`
}

type projectEntity struct {
	ID                int64   `json:"id"`
	Description       *string `json:"description"`
	Name              string  `json:"name"`
	NameWithNamespace string  `json:"name_with_namespace"`
	Path              string  `json:"path"`
	PathWithNamespace string  `json:"path_with_namespace"`
	CreatedAt         string  `json:"created_at"`
}

// encoded is the JSON of a stored cluster. It is made once per state: a fleet's list is asked for again and again.
func (s *Simulator) encoded(c *call, id int64) []byte {
	r := s.clusters.rows[id]
	if r.encoded == nil || s.switches.externalURL == "" {
		r.encoded = encode(s.entity(c, r.Cluster))
	}
	return r.encoded
}

// encodedEdit is the answer to an edit, which has one member more.
func (s *Simulator) encodedEdit(c *call, id int64, after Cluster) []byte {
	var body []byte
	if _, ok := s.clusters.rows[id]; ok {
		body = s.encoded(c, id)
	} else {
		body = encode(s.entity(c, after))
	}
	return append(append([]byte{}, body[:len(body)-1]...), `,"project":null}`...)
}

func (s *Simulator) entity(c *call, k Cluster) clusterEntity {
	e := clusterEntity{
		ID: k.ID, Name: k.Name, CreatedAt: s.timestamp(k.CreatedAt), Domain: k.Domain, Enabled: k.Enabled,
		Managed: k.Managed, ProviderType: k.ProviderType, PlatformType: "kubernetes",
		EnvironmentScope: k.EnvironmentScope, ClusterType: "instance_type",
		NamespacePerEnvironment: k.NamespacePerEnvironment, ProviderGCP: k.GCP,
		PlatformKubernetes: &platformEntity{
			APIURL: k.APIURL, Namespace: k.Namespace, AuthorizationType: k.AuthorizationType, CACert: k.CACert,
		},
	}
	if k.User != nil {
		e.User = new(s.userEntity(c, *k.User))
	}
	if k.ManagementProjectID != nil {
		if p, ok := s.projects[*k.ManagementProjectID]; ok {
			e.ManagementProject = &projectEntity{
				ID: p.ID, Description: p.Description, Name: p.Name, NameWithNamespace: p.NameWithNamespace, Path: p.Path,
				PathWithNamespace: p.PathWithNamespace, CreatedAt: s.timestamp(p.CreatedAt),
			}
		}
	}
	return e
}

func (s *Simulator) userEntity(c *call, u User) userEntity {
	e := userEntity{ID: u.ID, Username: u.Username, Name: u.Name, State: "active",
		WebURL: s.externalURL(c) + "/" + u.Username}
	switch u.Denial {
	case Blocked:
		e.State = "blocked"
	case Deactivated:
		e.State = "deactivated"
	}
	return e
}

// timestamp has three decimals, and Z or an offset by the instance's time zone.
func (s *Simulator) timestamp(t time.Time) string {
	return t.In(s.options.Zone).Format("2006-01-02T15:04:05.000Z07:00")
}
