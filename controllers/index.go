// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// objectIndex answers which objects name a Secret, have or claim a cluster, or want a scope. What it says of an object may be
// older than the cache's copy, which has to be asked again; the event that makes the difference is then still to come.
//
// The cache's field indexes answer the same, with a set for each key and each key twice: 2.4 kB for each object, almost
// a third of all that lives in the manager. Here it is 0.3 kB.
type objectIndex struct {
	mu       sync.RWMutex
	secrets  multimap[types.NamespacedName]
	clusters multimap[clusterKey]
	scopes   multimap[scopeKey]
}

// scopeKey names an environment scope among those of all GitLabs.
type scopeKey struct{ gitLabURL, scope string }

func newIndex() *objectIndex {
	return &objectIndex{
		secrets:  newMultimap[types.NamespacedName](),
		clusters: newMultimap[clusterKey](),
		scopes:   newMultimap[scopeKey](),
	}
}

// replace takes an object's step from older to newer; nil is none.
func (x *objectIndex) replace(older, newer *v1alpha1.GitLabInstanceCluster) {
	x.mu.Lock()
	defer x.mu.Unlock()
	step(&x.secrets, older, newer, secretNames)
	step(&x.clusters, older, newer, clusterKeys)
	step(&x.scopes, older, newer, scopeKeys)
}

func step[K comparable](m *multimap[K], older, newer *v1alpha1.GitLabInstanceCluster, keys func(*v1alpha1.GitLabInstanceCluster) []K) {
	var before, after []K
	if older != nil {
		before = keys(older)
	}
	if newer != nil {
		after = keys(newer)
	}
	for _, key := range before {
		if !slices.Contains(after, key) {
			m.remove(key, nameOf(older))
		}
	}
	for _, key := range after {
		if !slices.Contains(before, key) {
			m.add(key, nameOf(newer))
		}
	}
}

func (x *objectIndex) namingSecret(secret types.NamespacedName) []types.NamespacedName {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.secrets.get(secret)
}

func (x *objectIndex) withCluster(key clusterKey) []types.NamespacedName {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.clusters.get(key)
}

func (x *objectIndex) wantingScope(key scopeKey) []types.NamespacedName {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.scopes.get(key)
}

func secretNames(obj *v1alpha1.GitLabInstanceCluster) []types.NamespacedName {
	names := []string{obj.Spec.GitLab.TokenSecretRef.Name, obj.Spec.Kubernetes.TokenSecretRef.Name}
	if ref := obj.Spec.GitLab.CASecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := obj.Spec.Kubernetes.CASecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	secrets := make([]types.NamespacedName, 0, len(names))
	for _, name := range names {
		secrets = append(secrets, types.NamespacedName{Namespace: obj.Namespace, Name: name})
	}
	return secrets
}

// clusterKeys are the recorded cluster and that of spec.clusterID.
func clusterKeys(obj *v1alpha1.GitLabInstanceCluster) []clusterKey {
	var keys []clusterKey
	if obj.Status.ClusterID != 0 {
		keys = append(keys, clusterKey{obj.Status.GitLabURL, obj.Status.ClusterID})
	}
	if w := wantOf(obj); w.ClusterID != 0 {
		keys = append(keys, clusterKey{w.GitLabURL, w.ClusterID})
	}
	return keys
}

// scopeKeys has what the spec wants.
func scopeKeys(obj *v1alpha1.GitLabInstanceCluster) []scopeKey {
	w := wantOf(obj)
	return []scopeKey{{w.GitLabURL, w.EnvironmentScope}}
}

// multimap holds the names of objects by a key. Most keys have one name, and need no set.
type multimap[K comparable] struct {
	one  map[K]types.NamespacedName
	more map[K]map[types.NamespacedName]struct{}
}

func newMultimap[K comparable]() multimap[K] {
	return multimap[K]{one: map[K]types.NamespacedName{}, more: map[K]map[types.NamespacedName]struct{}{}}
}

func (m *multimap[K]) add(key K, name types.NamespacedName) {
	if set, ok := m.more[key]; ok {
		set[name] = struct{}{}
		return
	}
	first, ok := m.one[key]
	if !ok || first == name {
		m.one[key] = name
		return
	}
	delete(m.one, key)
	m.more[key] = map[types.NamespacedName]struct{}{first: {}, name: {}}
}

func (m *multimap[K]) remove(key K, name types.NamespacedName) {
	if m.one[key] == name {
		delete(m.one, key)
		return
	}
	if set := m.more[key]; set != nil {
		delete(set, name)
		if len(set) == 0 {
			delete(m.more, key)
		}
	}
}

func (m *multimap[K]) get(key K) []types.NamespacedName {
	if name, ok := m.one[key]; ok {
		return []types.NamespacedName{name}
	}
	names := make([]types.NamespacedName, 0, len(m.more[key]))
	for name := range m.more[key] {
		names = append(names, name)
	}
	return names
}
