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

// GitLabInstanceClusterSpec is the cluster as GitLab shall have it. An optional field left out means GitLab's
// default, or none.
// +kubebuilder:validation:XValidation:rule=`!has(self.kubernetes) || !has(self.kubernetes.__namespace__) || size(self.kubernetes.__namespace__) == 0 || (has(self.managed) && !self.managed)`,fieldPath=".kubernetes.namespace",reason=FieldValueForbidden,message="needs managed: false, because GitLab takes no namespace for an instance cluster whose namespaces it manages; set spec.managed to false or leave the namespace out"
type GitLabInstanceClusterSpec struct {
	// GitLab says which GitLab has the cluster, and with which rights the operator talks to it.
	// +required
	GitLab GitLabConnection `json:"gitlab"`
	// Name of the cluster in GitLab. Defaults to metadata.name. GitLab shows it and allows the same name twice; any
	// characters will do. Not blank, no white space at either end, at most 2048 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`self != ''`,message="must not be empty; leave it out to have the cluster named like this object"
	// +kubebuilder:validation:XValidation:rule=`self.trim() == self`,message="must not begin or end with white space; remove it"
	Name string `json:"name,omitempty"`
	// EnvironmentScope says which environments of all projects deploy to this cluster, like "production" or
	// "review/*". Defaults to "*", every environment. No two clusters of one GitLab may have the same scope, disabled ones
	// included. Letters, digits, spaces and - _ / $ { } . *, no space at either end, 1 to 255 characters.
	// +optional
	// +kubebuilder:default="*"
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`self != ''`,message="must not be empty; write \"*\" or leave it out for every environment"
	// +kubebuilder:validation:XValidation:rule=`self.trim() == self`,message="must not begin or end with white space; remove it"
	// +kubebuilder:validation:XValidation:rule=`self.trim().matches('^[-a-zA-Z0-9_/${}. *]*$')`,message="can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces; GitLab refuses others"
	EnvironmentScope string `json:"environmentScope,omitempty"`
	// Domain under which Auto DevOps publishes what it deploys to the cluster. Left out or empty, GitLab has none. Labels
	// of letters, digits and '-', joined by dots, each 1 to 63 characters and neither beginning nor ending with '-'; no
	// wildcard, no dot at the end; at most 255 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[-a-zA-Z0-9.]*$')`,message="can contain only letters, digits, '-' and '.'; write a plain domain like apps.example.com, without wildcard, underscore, scheme, port or white space"
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'(^|\.)-|-(\.|$)')`,message="must not have a label that begins or ends with '-'; remove the hyphen"
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'^\.[^.]|\.\.')`,message="must not begin with a dot or have two dots in a row; remove the extra dot"
	// +kubebuilder:validation:XValidation:rule=`!self.endsWith('.')`,message="must not end with a dot; remove it"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('[^.]{64}')`,message="must not have a label longer than 63 characters; shorten the part between the dots"
	Domain string `json:"domain,omitempty"`
	// ManagementProjectID is the id of the project whose CI jobs may administer the cluster. Left out, GitLab has none.
	// The project must exist, and the owner of the access token must be allowed to administer its pipelines. GitLab forgets it
	// when the project is deleted. 1 or more.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self >= 1`,message="must be the id of a project, 1 or more; leave it out for no management project"
	ManagementProjectID *int64 `json:"managementProjectID,omitempty"`
	// Enabled says whether GitLab uses the cluster. Defaults to true. A disabled cluster keeps its environment scope.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`
	// Managed says whether GitLab makes namespaces and service accounts in the cluster. Defaults to true. GitLab removes
	// nothing of it from the cluster when this becomes false or the cluster is deleted from GitLab.
	// +optional
	// +kubebuilder:default=true
	Managed *bool `json:"managed,omitempty"`
	// NamespacePerEnvironment says whether GitLab makes a namespace for each environment of a project (true) or one for
	// the project (false). Defaults to true. GitLab has this setting although its API documentation does not list it.
	// +optional
	// +kubebuilder:default=true
	NamespacePerEnvironment *bool `json:"namespacePerEnvironment,omitempty"`
	// Kubernetes says how GitLab reaches the cluster.
	// +required
	Kubernetes KubernetesPlatform `json:"kubernetes"`
	// ClusterID names a cluster that GitLab already has, to be taken over instead of adding one; it is the number at the
	// end of the cluster's address in GitLab. Left out, a cluster is added. If GitLab has no such cluster, none is added.
	// Once status.clusterID is recorded, only that same id can be set. 1 or more.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self >= 1`,message="must be the id of a cluster in GitLab, 1 or more; leave it out to add a new cluster"
	ClusterID *int64 `json:"clusterID,omitempty"`
	// AdoptionPolicy says whether a cluster that GitLab already has may be taken over without naming its id. Never, the
	// default: no. Matching: yes, if it has the same environment scope, name and API URL and belongs to no other object.
	// +optional
	// +kubebuilder:default=Never
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`
	// DeletionPolicy says what becomes of GitLab's cluster when this object is deleted. Delete, the default: it is
	// deleted from GitLab, adopted or not; what GitLab made inside the Kubernetes cluster stays. Orphan: it stays in
	// GitLab as it is. Can be changed while the object is being deleted, to release an object whose GitLab is gone.
	// +optional
	// +kubebuilder:default=Delete
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// DriftPolicy says what is done where GitLab's cluster differs from this spec. Correct, the default: GitLab's cluster
	// is edited. Report: the differences, edits of this spec and new tokens included, are listed in
	// status.driftedFields and never written; adding and deleting work as usual.
	// +optional
	// +kubebuilder:default=Correct
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`
	// Suspend, if true, stops every request to GitLab for this object, those of its deletion included. Defaults to false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GitLabInstanceClusterStatus is what the manager knows of the cluster in GitLab.
type GitLabInstanceClusterStatus struct {
	// ObservedGeneration is the metadata.generation that this status speaks of; -1 until the object is first looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ClusterID is the id that GitLab gave the cluster; absent while this object has none.
	// +optional
	ClusterID int64 `json:"clusterID,omitempty"`
	// ClusterCreatedAt is the cluster's created_at as GitLab sent it. Together with the id it says which cluster is ours,
	// and is compared as an instant.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ClusterCreatedAt string `json:"clusterCreatedAt,omitempty"`
	// GitLabURL is the address of the GitLab in which the id is valid.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	GitLabURL string `json:"gitlabURL,omitempty"`
	// ClusterURL is the page of the cluster in GitLab, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=2304
	ClusterURL string `json:"clusterURL,omitempty"`
	// TokenSecretVersion says which version of the cluster's token Secret GitLab has, as uid/resourceVersion/key of the
	// Secret. Nothing in it is derived from the token.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	TokenSecretVersion string `json:"tokenSecretVersion,omitempty"`
	// RefusedAttempt is the number of the last attempt to add the cluster, if GitLab definitely refused it.
	// +optional
	RefusedAttempt int64 `json:"refusedAttempt,omitempty"`
	// DriftedFields lists the fields of the spec, by their paths below spec, in which GitLab's cluster differs. Filled only
	// with driftPolicy Report.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=64
	DriftedFields []string `json:"driftedFields,omitempty"`
	// Conditions of the object: Ready always, Reconciling while the operator goes on by itself, Stalled while somebody
	// else has to move first. The reason says who and what; docs/troubleshooting.md has the remedy of each.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// The rules of the root see status, which rules below spec cannot, and are not ratcheted as those are: any change is a
// change of the root. So each lets an unchanged value pass first, and patches of metadata and status never meet it.

// GitLabInstanceCluster is one Kubernetes cluster of a whole self-managed GitLab (an instance-level cluster of the
// certificate-based integration): applied, GitLab has it and keeps having exactly it; deleted, GitLab loses it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=gitlabinstanceclusters,shortName=glic,categories=gitlab,scope=Namespaced
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="ID",type=integer,JSONPath=`.status.clusterID`
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.spec.environmentScope`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Name in GitLab",type=string,priority=1,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="API URL",type=string,priority=1,JSONPath=`.spec.kubernetes.apiURL`
// +kubebuilder:printcolumn:name="GitLab",type=string,priority=1,JSONPath=`.spec.gitlab.url`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.kubernetes) || !has(oldSelf.spec.kubernetes) || oldSelf.spec.kubernetes.authorizationType == self.spec.kubernetes.authorizationType || oldSelf.?status.?clusterID.orValue(0) == 0 || has(oldSelf.status) && has(oldSelf.status.conditions) && oldSelf.status.conditions.exists(c, c.type in ['Ready', 'Stalled'] && c.reason == 'AuthorizationTypeMismatch')`,fieldPath=".spec.kubernetes.authorizationType",reason=FieldValueForbidden,message="cannot change once GitLab has the cluster, because GitLab takes it only when a cluster is added; put the old value back, or delete this object and create it again"
// +kubebuilder:validation:XValidation:rule=`!self.?spec.?clusterID.hasValue() || oldSelf.?spec.?clusterID == self.?spec.?clusterID || oldSelf.?status.?clusterID.orValue(0) == 0 || oldSelf.?status.?clusterID == self.?spec.?clusterID`,fieldPath=".spec.clusterID",reason=FieldValueForbidden,message="cannot name another cluster than status.clusterID, which this object already has; remove it, or create another object for the other cluster"
type GitLabInstanceCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the cluster as GitLab shall have it.
	// +required
	Spec GitLabInstanceClusterSpec `json:"spec"`
	// Status is what the operator found and did. Written by the operator alone.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
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
