// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// AdoptionPolicy says whether a cluster that GitLab already has may be taken over.
// +kubebuilder:validation:Enum=Never;Matching
// +kubebuilder:validation:MaxLength=32
type AdoptionPolicy string

const (
	// AdoptionNever takes over nothing but the cluster that spec.clusterID names.
	AdoptionNever AdoptionPolicy = "Never"
	// AdoptionMatching takes over a cluster with the same scope, name and API URL.
	AdoptionMatching AdoptionPolicy = "Matching"
)

// DeletionPolicy says what becomes of GitLab's cluster when the object is deleted.
// +kubebuilder:validation:Enum=Delete;Orphan
// +kubebuilder:validation:MaxLength=32
type DeletionPolicy string

const (
	// DeletionDelete deletes GitLab's cluster with the object.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionOrphan leaves GitLab's cluster where it is.
	DeletionOrphan DeletionPolicy = "Orphan"
)

// DriftPolicy says what is done about a difference between the spec and GitLab.
// +kubebuilder:validation:Enum=Correct;Report
// +kubebuilder:validation:MaxLength=32
type DriftPolicy string

const (
	// DriftCorrect edits GitLab's cluster until it equals the spec.
	DriftCorrect DriftPolicy = "Correct"
	// DriftReport lists differences in status.driftedFields and edits nothing.
	DriftReport DriftPolicy = "Report"
)

// AuthorizationType is GitLab's platform_kubernetes_attributes.authorization_type.
// +kubebuilder:validation:Enum=rbac;abac;unknown_authorization
// +kubebuilder:validation:MaxLength=32
type AuthorizationType string

const (
	// AuthorizationRBAC is GitLab's default.
	AuthorizationRBAC AuthorizationType = "rbac"
	// AuthorizationABAC is attribute-based access control.
	AuthorizationABAC AuthorizationType = "abac"
	// AuthorizationUnknown tells GitLab that the type is not known.
	AuthorizationUnknown AuthorizationType = "unknown_authorization"
)
