// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

func orphan(o *scenario.Glic) { o.Spec.DeletionPolicy = v1alpha1.DeletionOrphan }

// obstacle is what keeps a cluster from being deleted.
type obstacle struct {
	arise func(*scenario.World)
	cause string
	clear func(*scenario.World)
}

var obstacles = []TableEntry{
	Entry("GitLab is down", obstacle{
		func(w *scenario.World) { w.Server.Stop() }, v1alpha1.ReasonGitLabUnreachable,
		func(w *scenario.World) { Expect(w.Server.Start()).To(Succeed()) }}),
	Entry("the token is revoked", obstacle{
		func(w *scenario.World) { w.GitLab.RevokeToken("admin") }, v1alpha1.ReasonUnauthorized,
		func(w *scenario.World) {
			w.GitLab.SetToken(simulator.Token{Value: "glpat-sentinel-new", Name: "new", Scopes: []string{"api", "admin_mode"}})
			w.Secret("gitlab-admin", "token", "glpat-sentinel-new")
		}}),
	Entry("the feature flag is off", obstacle{
		func(w *scenario.World) { w.GitLab.SetFeature(false) }, v1alpha1.ReasonFeatureDisabled,
		func(w *scenario.World) { w.GitLab.SetFeature(true) }}),
	Entry("GitLab reads only", obstacle{
		func(w *scenario.World) { w.GitLab.SetReadOnly(true) }, v1alpha1.ReasonForbidden,
		func(w *scenario.World) { w.GitLab.SetReadOnly(false) }}),
	Entry("GitLab is in maintenance", obstacle{
		func(w *scenario.World) { w.GitLab.SetMaintenance(true) }, v1alpha1.ReasonGitLabError,
		func(w *scenario.World) { w.GitLab.SetMaintenance(false) }}),
}

var _ = Describe("a deletion", func() {
	DescribeTable("that is blocked says by what and how to release it, and ends by itself when it can",
		func(o obstacle) {
			w := newWorld()
			w.Create("production")
			w.AwaitReady("production")
			o.arise(w)
			w.Delete("production")
			obj := w.Await("production", v1alpha1.ReasonDeletionBlocked)
			Expect(scenario.Ready(obj).Message).To(And(ContainSubstring(o.cause), ContainSubstring("deletionPolicy"), ContainSubstring("Orphan")))
			Expect(scenario.HasFinalizer(obj)).To(BeTrue())
			Expect(w.GitLab.Clusters()).To(HaveLen(1))
			o.clear(w)
			w.AwaitGone("production")
			Expect(w.GitLab.Clusters()).To(BeEmpty())
		}, obstacles)

	DescribeTable("that is blocked is released by Orphan at once, without a write to GitLab",
		func(o obstacle) {
			w := newWorld()
			w.Create("production")
			w.AwaitReady("production")
			o.arise(w)
			w.Delete("production")
			w.Await("production", v1alpha1.ReasonDeletionBlocked)
			w.ForgetRequests()
			w.Edit("production", orphan)
			w.AwaitGone("production")
			Expect(w.Writes()).To(BeEmpty())
			Expect(w.GitLab.Clusters()).To(HaveLen(1))
		}, obstacles)

	It("with deletionPolicy Orphan asks GitLab for nothing", func() {
		w := newWorld()
		w.Create("production", orphan)
		w.AwaitReady("production")
		w.Server.Stop()
		w.ForgetRequests()
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(HaveLen(1))
		Expect(w.KubernetesWrites()).To(ContainElement(HavePrefix("patch gitlabinstanceclusters ")))
	})

	It("ends although its Secrets went first", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.DeleteSecret("gitlab-admin")
		w.DeleteSecret("gitlab-sa")
		w.Await("production", v1alpha1.ReasonSecretNotFound)
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
	})

	It("needs GitLab's Secrets alone, not the cluster's", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.Secret("gitlab-sa", "other", "sentinel")
		w.Await("production", v1alpha1.ReasonInvalidSecret)
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
	})

	It("of an object that was never sent to GitLab asks for nothing", func() {
		w := newWorld()
		w.DeleteSecret("gitlab-admin")
		w.Create("production")
		w.Await("production", v1alpha1.ReasonSecretNotFound)
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.Requests()).To(BeEmpty())
	})

	It("of an object that GitLab refused asks for nothing", func() {
		w := newWorld()
		w.Create("production", func(o *scenario.Glic) { o.Spec.ManagementProjectID = new(int64(7)) })
		obj := w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		Expect(scenario.HasFinalizer(obj)).To(BeTrue())
		w.Server.Stop()
		w.ForgetRequests()
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.Requests()).To(BeEmpty())
	})

	It("ends when somebody else has deleted the cluster, without a request to delete", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Suspend = true })
		w.Await("production", v1alpha1.ReasonSuspended)
		Expect(w.GitLab.DeleteOutOfBand(obj.Status.ClusterID)).To(Succeed())
		w.ForgetRequests()
		w.Delete("production")
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Suspend = false })
		w.AwaitGone("production")
		Expect(w.Writes()).To(BeEmpty())
	})

	It("ends when somebody else deletes the cluster at the same time", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		fault := w.GitLab.Inject(simulator.Fault{Endpoint: "delete", Times: 1, Hold: true})
		w.Delete("production")
		Expect(fault.Wait(w.Context(), 1)).To(Succeed())
		Expect(w.GitLab.DeleteOutOfBand(obj.Status.ClusterID)).To(Succeed())
		fault.Release()
		w.AwaitGone("production")
		Expect(w.GitLab.Writes()).To(HaveLen(2))
	})

	It("never believes a 404 of GitLab without the feature", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		fault := w.GitLab.Inject(simulator.Fault{Endpoint: "delete", Times: 1, Hold: true})
		w.Delete("production")
		Expect(fault.Wait(w.Context(), 1)).To(Succeed())
		w.GitLab.SetFeature(false)
		fault.Release()
		obj := w.Await("production", v1alpha1.ReasonDeletionBlocked)
		Expect(scenario.HasFinalizer(obj)).To(BeTrue())
		Expect(w.GitLab.Clusters()).To(HaveLen(1))
		w.GitLab.SetFeature(true)
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
	})

	It("is proven when GitLab says that it deleted, and did not", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.GitLab.Inject(simulator.Fault{Endpoint: "delete", Times: 1, Answer: &simulator.Answer{Status: 204}})
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
	})

	It("of an adopted cluster deletes it from GitLab", func() {
		w := newWorld()
		w.Create("production", adopting(w.GitLab.Seed(alike("production"))))
		w.AwaitReady("production")
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
	})

	It("is followed by another cluster when the object is created again", func() {
		w := newWorld()
		w.Create("production")
		before := w.AwaitReady("production")
		w.Delete("production")
		w.AwaitGone("production")
		w.Create("production")
		Expect(w.AwaitReady("production").Status.ClusterID).To(BeNumerically(">", before.Status.ClusterID))
	})
})
