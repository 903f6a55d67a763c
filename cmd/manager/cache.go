// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// cacheOptions keep the objects.
func cacheOptions(f *flags) cache.Options {
	return namespaced(f, cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.GitLabInstanceCluster{}: {Label: f.watchSelector, Transform: lean},
		},
	})
}

// newSecrets makes a cache that keeps no more of Secrets than their names and versions.
func newSecrets(mgr manager.Manager, f *flags) (cache.Cache, error) {
	return cache.New(mgr.GetConfig(), namespaced(f, cache.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(),
		Mapper: mgr.GetRESTMapper(), DefaultTransform: nameAndVersion}))
}

func namespaced(f *flags, options cache.Options) cache.Options {
	if len(f.watchNamespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range f.watchNamespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	return options
}

// lean drops what no pass reads of an object, and lets objects share what many have in common: decoded, each has a copy
// of its own of each string. What is dropped stays in the API server, because the manager writes differences only.
func lean(object any) (any, error) {
	obj, ok := object.(*v1alpha1.GitLabInstanceCluster)
	if !ok {
		return nil, fmt.Errorf("a %T would be cached; only GitLabInstanceClusters may be", object)
	}
	obj.ManagedFields, obj.OwnerReferences, obj.Labels = nil, nil, nil
	maps.DeleteFunc(obj.Annotations, func(name, _ string) bool {
		return name != v1alpha1.CreateIntentAnnotation && name != v1alpha1.ReconcileAtAnnotation
	})
	spec, status := &obj.Spec, &obj.Status
	for _, text := range []*string{&obj.Kind, &obj.APIVersion, &obj.Namespace, &spec.GitLab.URL, &spec.GitLab.TokenSecretRef.Name,
		&spec.GitLab.TokenSecretRef.Key, &spec.Kubernetes.TokenSecretRef.Key, &status.GitLabURL} {
		share(text)
	}
	for i := range obj.Finalizers {
		share(&obj.Finalizers[i])
	}
	for i := range status.Conditions {
		condition := &status.Conditions[i]
		share(&condition.Type)
		share(&condition.Reason)
		if condition.Reason == v1alpha1.ReasonSynced { // messages of trouble have more in them than objects have in common
			share(&condition.Message)
		}
	}
	return obj, nil
}

// shared are texts that many objects have. They are few: GitLabs, namespaces, reasons, messages.
var shared = struct {
	sync.Mutex
	texts map[string]string
}{texts: map[string]string{}}

// mostShared bounds shared, should a text turn out not to be common.
const mostShared = 1000

// share makes a text one with the equal one seen first.
func share(text *string) {
	shared.Lock()
	defer shared.Unlock()
	if first, known := shared.texts[*text]; known {
		*text = first
	} else if len(shared.texts) < mostShared {
		shared.texts[*text] = *text
	}
}

// nameAndVersion drops what no watcher of Secrets needs.
func nameAndVersion(object any) (any, error) {
	meta, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, fmt.Errorf("a %T would be cached; of Secrets only the metadata may be", object)
	}
	meta.ObjectMeta = metav1.ObjectMeta{Name: meta.Name, Namespace: meta.Namespace, UID: meta.UID, ResourceVersion: meta.ResourceVersion}
	for _, text := range []*string{&meta.Kind, &meta.APIVersion, &meta.Namespace} {
		share(text)
	}
	return meta, nil
}
