// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

const (
	typeForbidden = "Forbidden: cannot change once GitLab has the cluster, because GitLab takes it only when a cluster is added; put the old value back, or delete this object and create it again"
	idForbidden   = "Forbidden: cannot name another cluster than status.clusterID, which this object already has; remove it, or create another object for the other cluster"
)

var _ = Describe("A change of authorizationType", func() {
	abac := fields{"spec.kubernetes.authorizationType": "abac"}

	It("is free while no cluster is recorded", func(ctx context.Context) {
		obj := created(ctx, manifest("production"))
		record(ctx, obj, fields{"status.observedGeneration": int64(1)})
		Expect(edit(ctx, obj, abac)).To(BeEmpty())
	})

	It("is refused once the cluster is recorded", func(ctx context.Context) {
		obj := created(ctx, manifest("production"))
		record(ctx, obj, fields{"status.clusterID": int64(11), "status.conditions": stalled("ScopeConflict")})
		Expect(edit(ctx, obj, abac)).To(ConsistOf(refusal{"spec.kubernetes.authorizationType", typeForbidden}))
		Expect(edit(ctx, obj, fields{"spec.kubernetes.authorizationType": "rbac", "spec.domain": "apps.example.com"})).To(BeEmpty())
	})

	It("is refused also as a return to the default", func(ctx context.Context) {
		obj := created(ctx, manifest("production", abac))
		record(ctx, obj, fields{"status.clusterID": int64(11)})
		Expect(edit(ctx, obj, fields{"spec.kubernetes.authorizationType": nil})).
			To(ConsistOf(refusal{"spec.kubernetes.authorizationType", typeForbidden}))
	})

	for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
		It("heals AuthorizationTypeMismatch as condition "+conditionType+" says", func(ctx context.Context) {
			obj := created(ctx, manifest("production"))
			record(ctx, obj, fields{"status.clusterID": int64(11), "status.conditions": []any{condition(conditionType, "AuthorizationTypeMismatch")}})
			Expect(edit(ctx, obj, abac)).To(BeEmpty())
		})
	}
})

var _ = Describe("A change of clusterID", func() {
	id := func(n int64) fields { return fields{"spec.clusterID": n} }

	It("is free while no cluster is recorded", func(ctx context.Context) {
		obj := created(ctx, manifest("production"))
		Expect(edit(ctx, obj, id(9))).To(BeEmpty())
		record(ctx, obj, fields{"status.observedGeneration": int64(1), "status.conditions": stalled("ClusterNotFound")})
		Expect(edit(ctx, obj, id(10))).To(BeEmpty())
		Expect(edit(ctx, obj, fields{"spec.clusterID": nil})).To(BeEmpty())
	})

	It("may only name the recorded cluster once there is one", func(ctx context.Context) {
		obj := created(ctx, manifest("production"))
		record(ctx, obj, fields{"status.clusterID": int64(11)})
		Expect(edit(ctx, obj, id(9))).To(ConsistOf(refusal{"spec.clusterID", idForbidden}))
		Expect(edit(ctx, obj, id(11))).To(BeEmpty())
		Expect(edit(ctx, obj, id(12))).To(ConsistOf(refusal{"spec.clusterID", idForbidden}))
		Expect(edit(ctx, obj, fields{"spec.clusterID": nil})).To(BeEmpty())
		Expect(edit(ctx, obj, id(11))).To(BeEmpty())
	})

	It("may stay, be removed or be put right where another cluster is recorded", func(ctx context.Context) {
		obj := created(ctx, manifest("production", id(9)))
		record(ctx, obj, fields{"status.clusterID": int64(11)})
		Expect(edit(ctx, obj, fields{"spec.domain": "apps.example.com"})).To(BeEmpty())
		Expect(edit(ctx, obj, id(10))).To(ConsistOf(refusal{"spec.clusterID", idForbidden}))
		Expect(edit(ctx, obj, id(11))).To(BeEmpty())
		Expect(edit(ctx, obj, fields{"spec.clusterID": nil})).To(BeEmpty())
		Expect(edit(ctx, obj, id(9))).To(ConsistOf(refusal{"spec.clusterID", idForbidden}))
	})

	It("does not hinder the manager that records another id", func(ctx context.Context) {
		obj := created(ctx, manifest("production", id(9)))
		record(ctx, obj, fields{"status.clusterID": int64(9)})
		record(ctx, obj, fields{"status.clusterID": int64(11)})
		record(ctx, obj, fields{"status.clusterID": nil})
		Expect(edit(ctx, obj, id(12))).To(BeEmpty())
	})
})

// created creates the object and removes it with the test.
func created(ctx context.Context, obj *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(kube.Create(ctx, obj)).To(Succeed())
	DeferCleanup(kube.Delete, obj)
	return obj
}

// edit changes fields of the object as kubectl patch does and tells the refusals.
func edit(ctx context.Context, obj *unstructured.Unstructured, change fields) []refusal {
	GinkgoHelper()
	return refusals(kube.Patch(ctx, obj, merged(change)))
}

// record changes fields of the status as the manager does: with the resource version of what it has seen.
func record(ctx context.Context, obj *unstructured.Unstructured, change fields) {
	GinkgoHelper()
	seen := fields{"metadata.resourceVersion": obj.GetResourceVersion()}
	Expect(kube.Status().Patch(ctx, obj, merged(change, seen))).To(Succeed())
}

// merged is the JSON merge patch that makes the changes.
func merged(changes ...fields) client.Patch {
	body := map[string]any{}
	for _, change := range changes {
		for path, value := range change {
			Expect(unstructured.SetNestedField(body, value, strings.Split(path, ".")...)).To(Succeed())
		}
	}
	content, err := json.Marshal(body)
	Expect(err).NotTo(HaveOccurred())
	return client.RawPatch(types.MergePatchType, content)
}

func stalled(reason string) []any {
	return []any{condition(v1alpha1.ConditionReady, reason), condition(v1alpha1.ConditionStalled, reason)}
}

func condition(conditionType, reason string) any {
	return map[string]any{
		"type": conditionType, "status": "False", "reason": reason, "message": "as it says",
		"lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339),
	}
}
