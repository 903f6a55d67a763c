// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names under which the operator writes to the metadata of a GitLabInstanceCluster.
const (
	// Finalizer keeps an object until its cluster is deleted from GitLab or left there on purpose.
	Finalizer = "gitlab.clusterops.dev/finalizer"
	// CreateIntentAnnotation holds, as JSON, the last attempt to add the cluster. Written by the manager alone,
	// right before the request, and kept for the object's life.
	CreateIntentAnnotation = "gitlab.clusterops.dev/create-intent"
	// ReconcileAtAnnotation, given any new value, makes the manager look at the object, and at GitLab, now.
	ReconcileAtAnnotation = "gitlab.clusterops.dev/reconcile-at"
)

// AdoptionPolicy says whether a cluster that GitLab already has may be taken over.
// +kubebuilder:validation:Enum=Never;Matching
type AdoptionPolicy string

// DeletionPolicy says what becomes of GitLab's cluster when the object is deleted.
// +kubebuilder:validation:Enum=Delete;Orphan
type DeletionPolicy string

// DriftPolicy says what is done about a difference between the spec and GitLab.
// +kubebuilder:validation:Enum=Correct;Report
type DriftPolicy string

// AuthorizationType is GitLab's platform_kubernetes_attributes.authorization_type.
// +kubebuilder:validation:Enum=rbac;abac;unknown_authorization
type AuthorizationType string

const (
	// AdoptionNever takes over nothing but the cluster that spec.clusterID names.
	AdoptionNever AdoptionPolicy = "Never"
	// AdoptionMatching takes over a cluster with the same scope, name and API URL.
	AdoptionMatching AdoptionPolicy = "Matching"

	// DeletionDelete deletes GitLab's cluster with the object.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionOrphan leaves GitLab's cluster where it is.
	DeletionOrphan DeletionPolicy = "Orphan"

	// DriftCorrect edits GitLab's cluster until it equals the spec.
	DriftCorrect DriftPolicy = "Correct"
	// DriftReport lists differences in status.driftedFields and edits nothing.
	DriftReport DriftPolicy = "Report"

	// AuthorizationRBAC is GitLab's default.
	AuthorizationRBAC AuthorizationType = "rbac"
	// AuthorizationABAC is attribute-based access control.
	AuthorizationABAC AuthorizationType = "abac"
	// AuthorizationUnknown tells GitLab that the type is not known.
	AuthorizationUnknown AuthorizationType = "unknown_authorization"
)

// TokenSecretRef names one key of a Secret in the object's namespace that holds a token.
type TokenSecretRef struct {
	// Name of the Secret, in the namespace of this object.
	Name string `json:"name"`
	// Key in the Secret's data.
	// +kubebuilder:default=token
	// +optional
	Key string `json:"key,omitempty"`
}

// CASecretRef names one key of a Secret in the object's namespace that holds PEM certificates.
type CASecretRef struct {
	// Name of the Secret, in the namespace of this object.
	Name string `json:"name"`
	// Key in the Secret's data.
	// +kubebuilder:default=ca.crt
	// +optional
	Key string `json:"key,omitempty"`
}

// GitLabConnection says which GitLab, and with which rights.
type GitLabConnection struct {
	// URL of GitLab.
	URL string `json:"url"`
	// TokenSecretRef names the Secret with the access token of an administrator.
	TokenSecretRef TokenSecretRef `json:"tokenSecretRef"`
	// CASecretRef names the Secret with certificates to trust beside the system's.
	// +optional
	CASecretRef *CASecretRef `json:"caSecretRef,omitempty"`
}

// KubernetesPlatform says how GitLab reaches the cluster.
type KubernetesPlatform struct {
	// APIURL of the cluster's API server.
	APIURL string `json:"apiURL"`
	// TokenSecretRef names the Secret with the token GitLab uses on the cluster.
	TokenSecretRef TokenSecretRef `json:"tokenSecretRef"`
	// CASecretRef names the Secret with the API server's CA certificates.
	// +optional
	CASecretRef *CASecretRef `json:"caSecretRef,omitempty"`
	// Namespace that every project deploys to.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// AuthorizationType of the cluster.
	// +kubebuilder:default=rbac
	// +optional
	AuthorizationType AuthorizationType `json:"authorizationType,omitempty"`
}

// GitLabInstanceClusterSpec is the cluster as GitLab shall have it. An optional field left out means GitLab's
// default, or none.
type GitLabInstanceClusterSpec struct {
	// GitLab says which GitLab, and with which rights.
	GitLab GitLabConnection `json:"gitlab"`
	// Name of the cluster in GitLab.
	// +optional
	Name string `json:"name,omitempty"`
	// EnvironmentScope of the cluster.
	// +kubebuilder:default="*"
	// +optional
	EnvironmentScope string `json:"environmentScope,omitempty"`
	// Domain for Auto DevOps.
	// +optional
	Domain string `json:"domain,omitempty"`
	// ManagementProjectID is the project that manages the cluster.
	// +optional
	ManagementProjectID *int64 `json:"managementProjectID,omitempty"`
	// Enabled says whether GitLab uses the cluster.
	// +kubebuilder:default=true
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// Managed says whether GitLab manages namespaces and service accounts.
	// +kubebuilder:default=true
	// +optional
	Managed *bool `json:"managed,omitempty"`
	// NamespacePerEnvironment says whether each environment gets a namespace.
	// +kubebuilder:default=true
	// +optional
	NamespacePerEnvironment *bool `json:"namespacePerEnvironment,omitempty"`
	// Kubernetes says how GitLab reaches the cluster.
	Kubernetes KubernetesPlatform `json:"kubernetes"`
	// ClusterID names an existing cluster to take over.
	// +optional
	ClusterID *int64 `json:"clusterID,omitempty"`
	// AdoptionPolicy says whether a cluster GitLab already has may be taken over.
	// +kubebuilder:default=Never
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`
	// DeletionPolicy says what becomes of GitLab's cluster with the object.
	// +kubebuilder:default=Delete
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// DriftPolicy says what is done about drift.
	// +kubebuilder:default=Correct
	// +optional
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`
	// Suspend stops all calls to GitLab.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GitLabInstanceClusterStatus is what the manager knows of the cluster in GitLab.
type GitLabInstanceClusterStatus struct {
	// ObservedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ClusterID is the id GitLab gave the cluster.
	// +optional
	ClusterID int64 `json:"clusterID,omitempty"`
	// ClusterCreatedAt is created_at as GitLab sent it.
	// +optional
	ClusterCreatedAt string `json:"clusterCreatedAt,omitempty"`
	// GitLabURL is where the id is valid.
	// +optional
	GitLabURL string `json:"gitlabURL,omitempty"`
	// ClusterURL is the page of the cluster in GitLab.
	// +optional
	ClusterURL string `json:"clusterURL,omitempty"`
	// TokenSecretVersion is the version of the cluster's token Secret that GitLab has.
	// +optional
	TokenSecretVersion string `json:"tokenSecretVersion,omitempty"`
	// RefusedAttempt is the create attempt that GitLab definitely refused, if that was the last.
	// +optional
	RefusedAttempt int64 `json:"refusedAttempt,omitempty"`
	// DriftedFields lists the spec paths in which GitLab differs, with driftPolicy Report.
	// +optional
	DriftedFields []string `json:"driftedFields,omitempty"`
	// Conditions of the object.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// GitLabInstanceCluster is one instance-level Kubernetes cluster of a GitLab.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=gitlabinstanceclusters,shortName=glic,categories=gitlab,scope=Namespaced
type GitLabInstanceCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GitLabInstanceClusterSpec `json:"spec"`
	// +kubebuilder:default={observedGeneration: -1}
	// +optional
	Status GitLabInstanceClusterStatus `json:"status,omitempty"`
}

// GitLabInstanceClusterList is a list of GitLabInstanceCluster.
//
// +kubebuilder:object:root=true
type GitLabInstanceClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GitLabInstanceCluster `json:"items"`
}
