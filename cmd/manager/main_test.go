// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

func TestIsNotThrottledByItsClient(t *testing.T) {
	given := &rest.Config{QPS: 5, Burst: 10, RateLimiter: flowcontrol.NewFakeNeverRateLimiter()}
	config := unthrottled(given)
	if config.QPS >= 0 || config.RateLimiter != nil {
		t.Errorf("QPS %v, %v", config.QPS, config.RateLimiter)
	}
	if config.UserAgent != "gitlab-instance-cluster-operator/dev" {
		t.Error(config.UserAgent)
	}
	if given.QPS != 5 {
		t.Error("the given configuration changed")
	}
}

func TestReadsSecretsPastTheCache(t *testing.T) {
	options := managerOptions(parsed(t))
	past := false
	for _, obj := range options.Client.Cache.DisableFor {
		if _, ok := obj.(*corev1.Secret); ok {
			past = true
		}
	}
	if !past {
		t.Error("a Secret that is read by name would be cached, with all others of its namespace")
	}
	for obj := range options.Cache.ByObject {
		if _, ok := obj.(*v1alpha1.GitLabInstanceCluster); !ok {
			t.Errorf("a %T is cached", obj)
		}
	}
}

func TestCachesNoMoreOfSecretsThanNameAndVersion(t *testing.T) {
	if kept, err := nameAndVersion(&corev1.Secret{}); err == nil {
		t.Errorf("kept %v", kept)
	}
	secret := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "n", Namespace: "ns", UID: "u", ResourceVersion: "7",
		Labels:        map[string]string{"a": "b"},
		Annotations:   map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"data":{"token":"eA=="}}`},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}}}
	kept, err := nameAndVersion(secret)
	if err != nil {
		t.Fatal(err)
	}
	want := metav1.ObjectMeta{Name: "n", Namespace: "ns", UID: "u", ResourceVersion: "7"}
	if have := kept.(*metav1.PartialObjectMetadata).ObjectMeta; !reflect.DeepEqual(have, want) {
		t.Errorf("kept %+v", have)
	}
}

func TestCachesNoMoreOfObjectsThanPassesRead(t *testing.T) {
	if kept, err := lean(&corev1.Secret{}); err == nil {
		t.Errorf("kept %v", kept)
	}
	obj := func(others bool) *v1alpha1.GitLabInstanceCluster {
		obj := &v1alpha1.GitLabInstanceCluster{
			ObjectMeta: metav1.ObjectMeta{Name: "n", Namespace: "ns", UID: "u", ResourceVersion: "7", Generation: 2,
				Finalizers:  []string{v1alpha1.Finalizer, "other"},
				Annotations: map[string]string{v1alpha1.CreateIntentAnnotation: "{}", v1alpha1.ReconcileAtAnnotation: "now"}},
			Spec: v1alpha1.GitLabInstanceClusterSpec{GitLab: v1alpha1.GitLabConnection{URL: "https://gitlab.example.com"}},
			Status: v1alpha1.GitLabInstanceClusterStatus{ClusterID: 5, Conditions: []metav1.Condition{
				{Type: "Ready", Reason: "Synced", Message: "GitLab has it"}}},
		}
		if others {
			obj.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
			obj.Labels = map[string]string{"a": "b"}
			obj.OwnerReferences = []metav1.OwnerReference{{Name: "o"}}
			obj.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
		}
		return obj
	}
	for _, options := range cacheOptions(parsed(t)).ByObject {
		kept, err := options.Transform(obj(true))
		if err != nil {
			t.Fatal(err)
		}
		if want := obj(false); !reflect.DeepEqual(kept, want) {
			t.Errorf("kept %+v, not %+v", kept, want)
		}
	}
}

func TestCachedObjectsShareTexts(t *testing.T) {
	first, second := strings.Clone("a common text"), strings.Clone("a common text")
	share(&first)
	share(&second)
	if second != "a common text" || unsafe.StringData(first) != unsafe.StringData(second) {
		t.Errorf("%q and %q are two", first, second)
	}
}

func TestWatchesWhatItIsTold(t *testing.T) {
	options := cacheOptions(parsed(t, "--watch-namespaces=a,b", "--watch-label-selector=shard=x"))
	if len(options.DefaultNamespaces) != 2 {
		t.Errorf("namespaces %v", options.DefaultNamespaces)
	}
	for _, object := range options.ByObject {
		if object.Label.String() != "shard=x" {
			t.Errorf("selector %v", object.Label)
		}
	}
	if all := cacheOptions(parsed(t)).DefaultNamespaces; all != nil {
		t.Errorf("namespaces %v", all)
	}
}

func TestLeadsOnlyIfTold(t *testing.T) {
	if managerOptions(parsed(t)).LeaderElection {
		t.Error("leader election is on")
	}
	options := managerOptions(parsed(t, "--leader-elect", "--leader-election-namespace=ns"))
	if !options.LeaderElection || options.LeaderElectionID != "gitlab-instance-cluster-operator" ||
		options.LeaderElectionNamespace != "ns" || !options.LeaderElectionReleaseOnCancel {
		t.Errorf("%+v", options)
	}
	if *options.GracefulShutdownTimeout != shutdownGrace {
		t.Error(*options.GracefulShutdownTimeout)
	}
}
