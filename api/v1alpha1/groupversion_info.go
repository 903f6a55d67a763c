// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API gitlab.clusterops.dev/v1alpha1: the kind GitLabInstanceCluster, its conditions and
// their reasons. It imports k8s.io/apimachinery only, so that other programs can use it at no cost.
//
// +kubebuilder:object:generate=true
// +groupName=gitlab.clusterops.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of every type in this package.
	GroupVersion = schema.GroupVersion{Group: "gitlab.clusterops.dev", Version: "v1alpha1"}

	schemeBuilder = runtime.NewSchemeBuilder(func(scheme *runtime.Scheme) error {
		scheme.AddKnownTypes(GroupVersion, &GitLabInstanceCluster{}, &GitLabInstanceClusterList{})
		metav1.AddToGroupVersion(scheme, GroupVersion)
		return nil
	})

	// AddToScheme makes a scheme know the types of this package.
	AddToScheme = schemeBuilder.AddToScheme
)
