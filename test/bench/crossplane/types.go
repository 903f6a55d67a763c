// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/scheme"
)

var (
	group   = schema.GroupVersion{Group: "bench.clusterops.dev", Version: "v1alpha1"}
	builder = &scheme.Builder{GroupVersion: group}
)

func init() { builder.Register(&InstanceCluster{}, &InstanceClusterList{}) }

// InstanceCluster is a GitLab instance cluster as a managed resource of Crossplane: crd.yaml is its CRD.
type InstanceCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   InstanceClusterSpec   `json:"spec"`
	Status InstanceClusterStatus `json:"status,omitempty"`
}

// InstanceClusterSpec has what every managed resource has, and the cluster.
type InstanceClusterSpec struct {
	xpv2.ManagedResourceSpec `json:",inline"`
	ForProvider              Parameters `json:"forProvider"`
}

// Parameters are those of GitLab's API that the benchmark sets.
type Parameters struct {
	GitLabURL        string `json:"gitlabURL"`
	GitLabSecret     string `json:"gitlabSecret"`
	EnvironmentScope string `json:"environmentScope"`
	APIURL           string `json:"apiURL"`
	Secret           string `json:"secret"`
}

// InstanceClusterStatus has what every managed resource has, and what GitLab tells.
type InstanceClusterStatus struct {
	xpv2.ConditionedStatus `json:",inline"`
	ObservedGeneration     int64       `json:"observedGeneration,omitempty"`
	AtProvider             Observation `json:"atProvider,omitempty"`
}

// Observation is what GitLab tells.
type Observation struct {
	ID        int64  `json:"id,omitempty"`
	CreatedAt string `json:"createdAt,omitempty"`
}

// InstanceClusterList is a list of them.
type InstanceClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []InstanceCluster `json:"items"`
}

// DeepCopyObject makes it a runtime.Object.
func (c *InstanceCluster) DeepCopyObject() runtime.Object { return c.deepCopy() }

func (c *InstanceCluster) deepCopy() *InstanceCluster {
	out := &InstanceCluster{TypeMeta: c.TypeMeta, ObjectMeta: *c.ObjectMeta.DeepCopy(), Spec: c.Spec, Status: c.Status}
	out.Spec.ManagedResourceSpec = *c.Spec.ManagedResourceSpec.DeepCopy()
	out.Status.ConditionedStatus = *c.Status.ConditionedStatus.DeepCopy()
	return out
}

// DeepCopyObject makes it a runtime.Object.
func (l *InstanceClusterList) DeepCopyObject() runtime.Object {
	out := &InstanceClusterList{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy()}
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].deepCopy())
	}
	return out
}

// The methods of resource.ModernManaged.

func (c *InstanceCluster) SetConditions(conditions ...xpv2.Condition) {
	c.Status.SetConditions(conditions...)
}
func (c *InstanceCluster) GetCondition(t xpv2.ConditionType) xpv2.Condition {
	return c.Status.GetCondition(t)
}
func (c *InstanceCluster) SetManagementPolicies(p xpv2.ManagementPolicies) {
	c.Spec.ManagementPolicies = p
}
func (c *InstanceCluster) GetManagementPolicies() xpv2.ManagementPolicies {
	return c.Spec.ManagementPolicies
}
func (c *InstanceCluster) SetWriteConnectionSecretToReference(r *xpv2.LocalSecretReference) {
	c.Spec.WriteConnectionSecretToReference = r
}
func (c *InstanceCluster) GetWriteConnectionSecretToReference() *xpv2.LocalSecretReference {
	return c.Spec.WriteConnectionSecretToReference
}
func (c *InstanceCluster) SetProviderConfigReference(r *xpv2.ProviderConfigReference) {
	c.Spec.ProviderConfigReference = r
}
func (c *InstanceCluster) GetProviderConfigReference() *xpv2.ProviderConfigReference {
	return c.Spec.ProviderConfigReference
}
func (c *InstanceCluster) SetObservedGeneration(g int64) { c.Status.ObservedGeneration = g }
func (c *InstanceCluster) GetObservedGeneration() int64  { return c.Status.ObservedGeneration }
