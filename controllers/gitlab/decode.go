// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// clusterJSON is the part of lib/api/entities/cluster.rb that is read. Keys that it does not name come and go with
// GitLab's versions, and every value but the id may be null.
type clusterJSON struct {
	ID                      int64  `json:"id"`
	Name                    string `json:"name"`
	CreatedAt               string `json:"created_at"`
	ProviderType            string `json:"provider_type"`
	EnvironmentScope        string `json:"environment_scope"`
	Domain                  string `json:"domain"`
	Enabled                 flag   `json:"enabled"`
	Managed                 flag   `json:"managed"`
	NamespacePerEnvironment flag   `json:"namespace_per_environment"`
	ManagementProject       struct {
		ID int64 `json:"id"`
	} `json:"management_project"`
	PlatformKubernetes struct {
		APIURL            string `json:"api_url"`
		CACert            string `json:"ca_cert"`
		Namespace         string `json:"namespace"`
		AuthorizationType string `json:"authorization_type"`
	} `json:"platform_kubernetes"`
}

// flag is a boolean that tells a key that is absent (nil) from one that is null (false).
type flag struct{ value *bool }

func (f *flag) UnmarshalJSON(data []byte) error {
	f.value = new(bool)
	return json.Unmarshal(data, f.value)
}

func (c clusterJSON) cluster() (Cluster, error) {
	if c.ID <= 0 {
		return Cluster{}, errors.New("a cluster without an id")
	}
	return Cluster{
		ID:                      c.ID,
		Name:                    c.Name,
		CreatedAt:               c.CreatedAt,
		ProviderType:            c.ProviderType,
		EnvironmentScope:        c.EnvironmentScope,
		Domain:                  c.Domain,
		ManagementProjectID:     c.ManagementProject.ID,
		Enabled:                 c.Enabled.value,
		Managed:                 c.Managed.value,
		NamespacePerEnvironment: c.NamespacePerEnvironment.value,
		APIURL:                  c.PlatformKubernetes.APIURL,
		CADigest:                CertificateDigest(c.PlatformKubernetes.CACert),
		Namespace:               c.PlatformKubernetes.Namespace,
		AuthorizationType:       c.PlatformKubernetes.AuthorizationType,
	}, nil
}

// decodeCluster reads one cluster, decodeClusters an array of them. Their errors never quote the body.
func decodeCluster(body []byte) (Cluster, error) {
	if !begins(body, '{') {
		return Cluster{}, errors.New("not a JSON object")
	}
	var read clusterJSON
	if err := json.Unmarshal(body, &read); err != nil {
		return Cluster{}, syntax(err)
	}
	return read.cluster()
}

func decodeClusters(body []byte) ([]Cluster, error) {
	if !begins(body, '[') {
		return nil, errors.New("not a JSON array")
	}
	var read []clusterJSON
	if err := json.Unmarshal(body, &read); err != nil {
		return nil, syntax(err)
	}
	clusters := make([]Cluster, 0, len(read))
	for _, r := range read {
		c, err := r.cluster()
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, c)
	}
	return clusters, nil
}

func begins(body []byte, first byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && body[0] == first
}

func syntax(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("JSON with an unexpected type of %s", mismatch.Field)
	}
	return errors.New("incomplete or malformed JSON")
}
