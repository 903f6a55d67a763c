// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

func suspended(o *scenario.Glic) { o.Spec.Suspend = true }

func resumed(o *scenario.Glic) { o.Spec.Suspend = false }

// witness is a Ready object at the same GitLab: what its connection does tells that time has passed for the others.
func witness(w *scenario.World) {
	w.Create("witness", scope("witness"))
	w.AwaitReady("witness")
}

var _ = Describe("a suspended object", func() {
	It("asks for nothing until it is resumed", func() {
		w := newWorld()
		w.Create("production", suspended)
		obj := w.Await("production", v1alpha1.ReasonSuspended)
		Expect(scenario.Ready(obj).Status).To(Equal(metav1.ConditionUnknown))
		w.Secret("gitlab-sa", "token", w.ClusterToken, "more", "sentinel")
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		obj = w.Await("production", v1alpha1.ReasonSuspended)
		Expect(scenario.HasFinalizer(obj)).To(BeFalse())
		Expect(w.Requests()).To(BeEmpty())
		w.Edit("production", resumed)
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
	})

	It("lets drift, edits and rotation be, and catches up in one request", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		w.Edit("production", suspended)
		w.Await("production", v1alpha1.ReasonSuspended)
		witness(w)
		w.ForgetRequests()
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Name = "by hand" })).To(Succeed())
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.Await("production", v1alpha1.ReasonSuspended)
		w.AwaitRequests(2, "list")
		Expect(w.Requests()).To(HaveEach("GET list 200"))
		w.Edit("production", resumed)
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.LastBody()).To(MatchJSON(`{"name":"production","domain":"example.com","namespace_per_environment":true}`))
	})

	It("does not list for itself alone", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.Edit("production", suspended)
		w.Await("production", v1alpha1.ReasonSuspended)
		w.ForgetRequests()
		Consistently(w.Requests, "2500ms", "100ms").Should(BeEmpty())
	})

	It("waits with its deletion", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.Edit("production", suspended)
		w.Await("production", v1alpha1.ReasonSuspended)
		witness(w)
		w.ForgetRequests()
		w.Delete("production")
		obj := w.Await("production", v1alpha1.ReasonSuspended)
		w.AwaitRequests(2, "list")
		Expect(scenario.HasFinalizer(obj)).To(BeTrue())
		Expect(w.Requests()).To(HaveEach("GET list 200"))
		w.Edit("production", resumed)
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(HaveLen(1))
	})

	It("is released by Orphan", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.Edit("production", suspended)
		w.Await("production", v1alpha1.ReasonSuspended)
		w.ForgetRequests()
		w.Delete("production")
		w.Edit("production", orphan)
		w.AwaitGone("production")
		Expect(w.Requests()).To(BeEmpty())
		Expect(w.GitLab.Clusters()).To(HaveLen(1))
	})

	It("that was never sent to GitLab is deleted at once", func() {
		w := newWorld()
		w.Create("production", suspended)
		w.Await("production", v1alpha1.ReasonSuspended)
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.Requests()).To(BeEmpty())
	})
})

var _ = Describe("the annotation reconcile-at", func() {
	lookAt := func(value string) func(*scenario.Glic) {
		return func(o *scenario.Glic) {
			if o.Annotations == nil {
				o.Annotations = map[string]string{}
			}
			o.Annotations[v1alpha1.ReconcileAtAnnotation] = value
		}
	}

	It("has the object, and GitLab, looked at now, once for each new value", func() {
		w := newWorld()
		m := ownManager("--sync-interval=1h")
		w.Create("production", own)
		obj := w.AwaitReady("production")
		for _, value := range []string{"now", "again"} {
			w.ForgetRequests()
			Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Name = "by hand" })).To(Succeed())
			w.Edit("production", lookAt(value))
			Eventually(func() string { return w.Cluster(obj).Name }, scenario.Patience, "20ms").Should(Equal("production"))
			Expect(w.Requests()).To(Equal([]string{"GET list 200", "PUT edit 200"}))
		}
		w.ForgetRequests()
		w.Edit("production", lookAt("nothing to do"))
		w.AwaitRequests(1, "list")
		Consistently(w.Requests, "500ms", "50ms").Should(HaveLen(1))
		Expect(w.KubernetesWrites()).To(BeEmpty())
		w.CheckInvariants(m)
	})

	DescribeTable("has a GitLab asked at once that was left alone because it refused", func(change func(*scenario.Glic)) {
		w := newWorld()
		m := ownManager("--sync-interval=1h")
		w.GitLab.SetFeature(false)
		w.Create("production", own)
		w.Await("production", v1alpha1.ReasonFeatureDisabled)
		w.GitLab.SetFeature(true)
		w.ForgetRequests()
		w.Edit("production", change)
		w.AwaitReady("production")
		Expect(w.Requests()).To(Equal([]string{"GET list 200", "POST add 201"}))
		w.CheckInvariants(m)
	},
		Entry("when it is set", lookAt("now")),
		Entry("and an edit of the spec does the same", func(o *scenario.Glic) { o.Spec.Domain = "apps.example.com" }))

	It("does not overrule suspend", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.Edit("production", suspended)
		w.Await("production", v1alpha1.ReasonSuspended)
		w.ForgetRequests()
		w.Edit("production", lookAt("now"))
		Consistently(w.Requests, "1s", "100ms").Should(BeEmpty())
	})
})
