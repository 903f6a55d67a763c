// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"errors"
	"time"
)

// Cluster is an instance cluster as GitLab stores it. Pointers are nullable columns: GitLab tells null from "".
type Cluster struct {
	ID                      int64
	Name                    string
	EnvironmentScope        string
	Domain                  *string
	Enabled                 *bool
	Managed                 bool
	NamespacePerEnvironment bool
	// ProviderType is user, gcp or aws. Only user clusters can be added by requests.
	ProviderType string
	// GCP is what a gcp cluster shows of its provider.
	GCP *ProviderGCP
	// User is the owner of the token that added it; nil if that user is gone.
	User                *User
	ManagementProjectID *int64
	CreatedAt           time.Time
	UpdatedAt           time.Time

	APIURL    string
	Token     string
	CACert    *string
	Namespace *string
	// AuthorizationType is rbac, abac or unknown_authorization.
	AuthorizationType string
}

// ProviderGCP is the provider_gcp object of an answer. StatusName scheduled and creating mean that the cluster is
// being made and can not be edited.
type ProviderGCP struct {
	ClusterID    int64   `json:"cluster_id"`
	StatusName   string  `json:"status_name"`
	GCPProjectID string  `json:"gcp_project_id"`
	Zone         string  `json:"zone"`
	MachineType  string  `json:"machine_type"`
	NumNodes     int     `json:"num_nodes"`
	Endpoint     *string `json:"endpoint"`
}

// Project is one that may manage clusters.
type Project struct {
	ID                int64
	Description       *string
	Name              string
	NameWithNamespace string
	Path              string
	PathWithNamespace string
	CreatedAt         time.Time
}

// ErrNotFound is returned for an id that no cluster has.
var ErrNotFound = errors.New("no such cluster")

// NewCluster returns a user cluster with GitLab's defaults, to be changed at will and given to Seed.
func NewCluster(name, scope string) Cluster {
	root := Root()
	return Cluster{
		Name: name, EnvironmentScope: scope, Enabled: new(true), Managed: true, NamespacePerEnvironment: true,
		ProviderType: "user", User: &root, APIURL: "https://kubernetes.example.com:6443", Token: "seeded-token",
		AuthorizationType: "rbac",
	}
}

// Seed stores a cluster as it is, without a check, and returns its id. An ID of 0 means the next one; a higher one
// moves the sequence beyond it, as clusters of projects and groups do. CreatedAt and UpdatedAt are now if zero.
func (s *Simulator) Seed(c Cluster) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.options.Now()
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	return s.clusters.insert(c)
}

// Clusters returns all clusters in ascending id.
func (s *Simulator) Clusters() []Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Cluster, 0, len(s.clusters.ids))
	for _, id := range s.clusters.ids {
		all = append(all, s.clusters.rows[id].Cluster)
	}
	return all
}

// Cluster returns the cluster of an id with its token.
func (s *Simulator) Cluster(id int64) (Cluster, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.clusters.rows[id]
	if !ok {
		return Cluster{}, false
	}
	return row.Cluster, true
}

// EditOutOfBand changes a cluster as another user's hand in the database would: no check, no journal entry.
func (s *Simulator) EditOutOfBand(id int64, change func(*Cluster)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.clusters.rows[id]
	if !ok {
		return ErrNotFound
	}
	c := row.Cluster
	c.UpdatedAt = s.options.Now()
	change(&c)
	c.ID = id
	s.clusters.replace(c)
	return nil
}

// DeleteOutOfBand removes a cluster without a journal entry.
func (s *Simulator) DeleteOutOfBand(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.clusters.remove(id) {
		return ErrNotFound
	}
	return nil
}

// AddProject makes a project known; empty names are derived from the id.
func (s *Simulator) AddProject(p Project) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.complete(s.options.Now())
	s.projects[p.ID] = p
	s.eachOfProject(p.ID, func(*Cluster) {})
}

// RemoveProject deletes a project; clusters that it managed are left without one.
func (s *Simulator) RemoveProject(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.projects, id)
	s.eachOfProject(id, func(c *Cluster) { c.ManagementProjectID = nil })
}

// eachOfProject changes the clusters that a project manages; their answers are made anew even if nothing changes.
func (s *Simulator) eachOfProject(id int64, change func(*Cluster)) {
	for _, row := range s.clusters.rows {
		if row.ManagementProjectID != nil && *row.ManagementProjectID == id {
			c := row.Cluster
			change(&c)
			s.clusters.replace(c)
		}
	}
}
