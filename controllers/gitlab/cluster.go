// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

// Cluster is an instance-level cluster as GitLab's admin clusters API answers it, reduced to what is compared.
// Values that GitLab may send as null or as "" are "" here; both mean none.
type Cluster struct {
	// ID grows with every cluster GitLab makes, at any level, and is never reused.
	ID int64
	// Name is neither unique nor normalised.
	Name string
	// CreatedAt is created_at as GitLab sent it: ISO 8601, with Z or an offset. Compare with SameInstant.
	CreatedAt string
	// ProviderType is "user" for clusters added by URL and token; "gcp" and "aws" are partly read-only.
	ProviderType string
	// EnvironmentScope is unique among the instance's clusters.
	EnvironmentScope string
	Domain           string
	// ManagementProjectID is 0 for none.
	ManagementProjectID int64
	// Enabled, Managed and NamespacePerEnvironment are nil if the answer lacks the key (GitLab before 13.6) and
	// false if it is null.
	Enabled                 *bool
	Managed                 *bool
	NamespacePerEnvironment *bool
	APIURL                  string
	// CADigest is CertificateDigest of ca_cert, "" for none; the certificate itself is not kept.
	CADigest          string
	Namespace         string
	AuthorizationType string
}

// Attributes is a cluster as it shall be: all that can be sent in an add, and, field by field, in an edit.
type Attributes struct {
	Name             string
	EnvironmentScope string
	// Domain "" means none.
	Domain string
	// ManagementProjectID 0 means none.
	ManagementProjectID     int64
	Enabled                 bool
	Managed                 bool
	NamespacePerEnvironment bool
	APIURL                  string
	Token                   Token
	// CACert is PEM, "" means none.
	CACert string
	// Namespace "" means none.
	Namespace         string
	AuthorizationType string
}

// Field names an attribute of a cluster by its path in the API's parameters.
type Field string

// The fields of a cluster that can differ. AuthorizationType can be set by an add alone; Token is never answered.
const (
	FieldName                    Field = "name"
	FieldEnvironmentScope        Field = "environment_scope"
	FieldDomain                  Field = "domain"
	FieldManagementProjectID     Field = "management_project_id"
	FieldEnabled                 Field = "enabled"
	FieldManaged                 Field = "managed"
	FieldNamespacePerEnvironment Field = "namespace_per_environment"
	FieldAPIURL                  Field = "platform_kubernetes_attributes.api_url"
	FieldCACert                  Field = "platform_kubernetes_attributes.ca_cert"
	FieldNamespace               Field = "platform_kubernetes_attributes.namespace"
	FieldAuthorizationType       Field = "platform_kubernetes_attributes.authorization_type"
	FieldToken                   Field = "platform_kubernetes_attributes.token"
)
