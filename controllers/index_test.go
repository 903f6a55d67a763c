// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// The index answers what a look at every object would, after whatever sequence of events.
func TestIndexFindsWhatALookAtAllObjectsFinds(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		x, objects := newIndex(), map[types.NamespacedName]*v1alpha1.GitLabInstanceCluster{}
		for range 60 {
			older := objects[types.NamespacedName{Namespace: oneOf(random, "a", "b"), Name: oneOf(random, "1", "2", "3")}]
			newer := anyObject(random)
			if older == nil {
				older = objects[nameOf(newer)]
			}
			switch {
			case older == nil:
				x.replace(nil, newer)
				objects[nameOf(newer)] = newer
			case random.IntN(4) == 0:
				x.replace(older, nil)
				delete(objects, nameOf(older))
			default:
				newer.Namespace, newer.Name = older.Namespace, older.Name
				x.replace(older, newer)
				objects[nameOf(newer)] = newer
			}
			compare(t, seed, objects, x)
		}
		for _, obj := range objects {
			x.replace(obj, nil)
		}
		if left := len(x.secrets.one) + len(x.secrets.more) + len(x.clusters.one) + len(x.clusters.more) + len(x.scopes.one) + len(x.scopes.more); left != 0 {
			t.Fatalf("seed %d: %d keys are left of no object", seed, left)
		}
	}
}

func compare(t *testing.T, seed uint64, objects map[types.NamespacedName]*v1alpha1.GitLabInstanceCluster, x *objectIndex) {
	t.Helper()
	for _, url := range urls {
		for _, scope := range texts {
			key := scopeKey{url, scope}
			same(t, seed, key, x.wantingScope(key), having(objects, func(obj *v1alpha1.GitLabInstanceCluster) bool {
				return obj.Spec.GitLab.URL == url && obj.Spec.EnvironmentScope == scope
			}))
		}
		for id := range int64(3) {
			key := clusterKey{url, id}
			same(t, seed, key, x.withCluster(key), having(objects, func(obj *v1alpha1.GitLabInstanceCluster) bool {
				return id != 0 && (obj.Status.GitLabURL == url && obj.Status.ClusterID == id ||
					obj.Spec.GitLab.URL == url && ptr.Deref(obj.Spec.ClusterID, 0) == id)
			}))
		}
	}
	for _, namespace := range []string{"a", "b"} {
		for _, name := range texts {
			key := types.NamespacedName{Namespace: namespace, Name: name}
			same(t, seed, key, x.namingSecret(key), having(objects, func(obj *v1alpha1.GitLabInstanceCluster) bool {
				in, kube := obj.Spec.GitLab, obj.Spec.Kubernetes
				return obj.Namespace == namespace && (in.TokenSecretRef.Name == name || kube.TokenSecretRef.Name == name ||
					in.CASecretRef != nil && in.CASecretRef.Name == name || kube.CASecretRef != nil && kube.CASecretRef.Name == name)
			}))
		}
	}
}

var (
	urls  = []string{"https://one.example.com", "https://two.example.com"}
	texts = []string{"p", "q", "r"}
)

func anyObject(random *rand.Rand) *v1alpha1.GitLabInstanceCluster {
	obj := &v1alpha1.GitLabInstanceCluster{}
	obj.Namespace, obj.Name = oneOf(random, "a", "b"), oneOf(random, "1", "2", "3")
	obj.Spec.GitLab.URL = oneOf(random, urls...)
	obj.Spec.GitLab.TokenSecretRef.Name = oneOf(random, texts...)
	obj.Spec.Kubernetes.TokenSecretRef.Name = oneOf(random, texts...)
	obj.Spec.EnvironmentScope = oneOf(random, texts...)
	if random.IntN(2) == 0 {
		obj.Spec.GitLab.CASecretRef = &v1alpha1.CASecretRef{Name: oneOf(random, texts...)}
	}
	if random.IntN(2) == 0 {
		obj.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: oneOf(random, texts...)}
	}
	if id := random.Int64N(3); id != 0 {
		obj.Spec.ClusterID = &id
	}
	obj.Status.ClusterID, obj.Status.GitLabURL = random.Int64N(3), oneOf(random, urls...)
	return obj
}

func oneOf(random *rand.Rand, all ...string) string { return all[random.IntN(len(all))] }

func having(objects map[types.NamespacedName]*v1alpha1.GitLabInstanceCluster,
	has func(*v1alpha1.GitLabInstanceCluster) bool) (names []types.NamespacedName) {
	for name, obj := range objects {
		if has(obj) {
			names = append(names, name)
		}
	}
	return names
}

func same(t *testing.T, seed uint64, key any, have, want []types.NamespacedName) {
	t.Helper()
	byName := func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) }
	slices.SortFunc(have, byName)
	slices.SortFunc(want, byName)
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Fatalf("seed %d: %v is of %v, not of %v", seed, key, want, have)
	}
}
