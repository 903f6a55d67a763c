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

var _ = Describe("the life of a cluster", func() {
	It("adds the cluster, records its id, and is Ready", func() {
		w := newWorld()
		w.Create("production", func(o *scenario.Glic) { o.Spec.EnvironmentScope = "production/*" })
		obj := w.AwaitReady("production")
		cluster := w.Cluster(obj)
		Expect(cluster.Name).To(Equal("production"))
		Expect(cluster.EnvironmentScope).To(Equal("production/*"))
		Expect(cluster.Token).To(Equal(w.ClusterToken))
		Expect(obj.Status.GitLabURL).To(Equal(w.Server.URL))
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		Expect(w.KubernetesWrites()).To(HaveLen(2))
	})

	It("edits the field that changed, with one request and one write", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "apps.example.com" })
		obj := w.AwaitReady("production")
		Expect(*w.Cluster(obj).Domain).To(Equal("apps.example.com"))
		Expect(w.LastBody()).To(MatchJSON(`{"domain":"apps.example.com","namespace_per_environment":true}`))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))
	})

	It("writes a rotated token, and nothing else", func() {
		w := newWorld()
		w.Create("production")
		before := w.AwaitReady("production")
		w.ForgetRequests()
		w.Secret("gitlab-sa", "token", "sentinel-rotated")
		Eventually(func() string { return w.Cluster(before).Token }, scenario.Patience, "20ms").Should(Equal("sentinel-rotated"))
		Eventually(func() string { return w.Get("production").Status.TokenSecretVersion }, scenario.Patience, "20ms").
			ShouldNot(Equal(before.Status.TokenSecretVersion))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))
	})

	It("puts back what was changed in GitLab", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Name = "changed by hand" })).To(Succeed())
		Eventually(func() string { return w.Cluster(obj).Name }, scenario.Patience, "20ms").Should(Equal("production"))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
	})

	It("deletes the cluster with the object", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
		Expect(w.Writes()).To(Equal([]string{"DELETE delete 204"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))
	})

	It("leaves the cluster in GitLab with deletionPolicy Orphan", func() {
		w := newWorld()
		w.Create("production", func(o *scenario.Glic) { o.Spec.DeletionPolicy = v1alpha1.DeletionOrphan })
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(HaveLen(1))
		Expect(w.Writes()).To(BeEmpty())
	})
})
