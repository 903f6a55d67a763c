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

// byHand are changes that somebody makes in GitLab, each with the field of the spec that it is about.
var byHand = []TableEntry{
	Entry("name", "name", func(c *simulator.Cluster) { c.Name = "by hand" }),
	Entry("environment scope", "environmentScope", func(c *simulator.Cluster) { c.EnvironmentScope = "by/hand" }),
	Entry("domain", "domain", func(c *simulator.Cluster) { c.Domain = new("hand.example.com") }),
	Entry("domain, cleared", "domain", func(c *simulator.Cluster) { c.Domain = nil }),
	Entry("management project", "managementProjectID", func(c *simulator.Cluster) { c.ManagementProjectID = new(int64(41)) }),
	Entry("management project, cleared", "managementProjectID", func(c *simulator.Cluster) { c.ManagementProjectID = nil }),
	Entry("enabled", "enabled", func(c *simulator.Cluster) { c.Enabled = new(true) }),
	Entry("managed", "managed", func(c *simulator.Cluster) { c.Managed = true }),
	Entry("namespace per environment", "namespacePerEnvironment", func(c *simulator.Cluster) { c.NamespacePerEnvironment = true }),
	Entry("API URL", "kubernetes.apiURL", func(c *simulator.Cluster) { c.APIURL = "https://hand.example.com" }),
	Entry("CA", "kubernetes.caSecretRef", func(c *simulator.Cluster) { c.CACert = new(certificate()) }),
	Entry("CA, cleared", "kubernetes.caSecretRef", func(c *simulator.Cluster) { c.CACert = nil }),
	Entry("namespace", "kubernetes.namespace", func(c *simulator.Cluster) { c.Namespace = new("hand") }),
	Entry("namespace, cleared", "kubernetes.namespace", func(c *simulator.Cluster) { c.Namespace = nil }),
}

// newCompleteWorld has a Ready object with every field set, named production.
func newCompleteWorld(change ...func(*scenario.Glic)) (*scenario.World, *scenario.Glic) {
	w := newWorld()
	w.GitLab.AddProject(simulator.Project{ID: 41})
	w.GitLab.AddProject(simulator.Project{ID: 42})
	w.Secret("ca", "ca.crt", certificate())
	w.Create("production", append(change, complete)...)
	obj := w.AwaitReady("production")
	Expect(summary(w.Cluster(obj))).To(Equal(completeSummary))
	return w, obj
}

var _ = Describe("a change made in GitLab", func() {
	DescribeTable("is put back with one request, and an event names the field",
		func(path string, change func(*simulator.Cluster)) {
			w, obj := newCompleteWorld()
			before := w.Cluster(obj)
			w.ForgetRequests()
			Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, change)).To(Succeed())
			w.AwaitRequests(1, "edit")
			w.LookAgain()
			after := w.Cluster(obj)
			after.UpdatedAt = before.UpdatedAt
			Expect(after).To(Equal(before))
			Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
			Expect(len(w.KubernetesWrites())).To(BeNumerically("<=", 1))
			w.AwaitEvent("production", "DriftCorrected", path)
		}, byHand)

	It("in several fields is put back with one request, which leaves the rest alone", func() {
		w, obj := newCompleteWorld()
		w.ForgetRequests()
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) {
			c.Name, c.Domain, c.NamespacePerEnvironment = "by hand", nil, true
		})).To(Succeed())
		w.AwaitEvent("production", "DriftCorrected", "name", "domain", "namespacePerEnvironment")
		Expect(w.LastBody()).To(MatchJSON(`{"name":"Production cluster","domain":"apps.example.com","namespace_per_environment":false}`))
		w.StaysQuiet()
	})

	DescribeTable("that is none is left alone",
		func(change func(*simulator.Cluster)) {
			w := newWorld()
			w.Secret("ca", "ca.crt", certificate()+"\n")
			w.Create("production", func(o *scenario.Glic) { o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "ca"} })
			obj := w.AwaitReady("production")
			Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, change)).To(Succeed())
			w.StaysQuiet()
		},
		Entry("an empty domain for none", func(c *simulator.Cluster) { c.Domain = new("") }),
		Entry("another encoding of the same CA", func(c *simulator.Cluster) { c.CACert = new("\n# the CA\n" + *c.CACert + "\r\n\r\n") }),
		Entry("another user", func(c *simulator.Cluster) { c.User = nil }),
		Entry("another token, which GitLab never shows", func(c *simulator.Cluster) { c.Token = "sentinel-by-hand" }),
	)

	It("of the management project is put back as soon as GitLab takes it", func() {
		w, obj := newCompleteWorld()
		w.GitLab.RemoveProject(42)
		Expect(scenario.Ready(w.Await("production", v1alpha1.ReasonRejectedByGitLab)).Message).To(And(
			ContainSubstring("Project does not exist or you don't have permission"), ContainSubstring("spec.managementProjectID")))
		w.GitLab.AddProject(simulator.Project{ID: 42})
		w.AwaitReady("production")
		Expect(*w.Cluster(obj).ManagementProjectID).To(BeEquivalentTo(42))
	})

	It("that deletes the cluster is followed by another one", func() {
		w := newWorld()
		w.Create("production")
		before := w.AwaitReady("production")
		w.ForgetRequests()
		Expect(w.GitLab.DeleteOutOfBand(before.Status.ClusterID)).To(Succeed())
		obj := w.AwaitStatus("production", "another cluster", func(o *scenario.Glic) bool { return o.Status.ClusterID > before.Status.ClusterID })
		Expect(w.Cluster(obj).Token).To(Equal(w.ClusterToken))
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		Expect(w.KubernetesWrites()).To(HaveLen(2))
		w.StaysQuiet()
	})
})

var _ = Describe("driftPolicy Report", func() {
	reporting := func(o *scenario.Glic) { o.Spec.DriftPolicy = v1alpha1.DriftReport }

	DescribeTable("lists what was changed in GitLab, and writes nothing to it",
		func(path string, change func(*simulator.Cluster)) {
			w, obj := newCompleteWorld(reporting)
			before := w.Cluster(obj)
			w.ForgetRequests()
			Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, change)).To(Succeed())
			w.LookAgain()
			obj = w.Await("production", v1alpha1.ReasonDrifted)
			Expect(obj.Status.DriftedFields).To(Equal([]string{path}))
			Expect(w.KubernetesWrites()).To(HaveLen(1))
			Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { *c = before })).To(Succeed())
			w.LookAgain()
			Expect(w.AwaitReady("production").Status.DriftedFields).To(BeEmpty())
			Expect(w.Writes()).To(BeEmpty())
		}, byHand)

	It("lists edits of the spec and rotated tokens too, until it is Correct again", func() {
		w := newWorld()
		w.Create("production", reporting)
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		Expect(w.Await("production", v1alpha1.ReasonDrifted).Status.DriftedFields).To(Equal([]string{"domain"}))
		w.Secret("gitlab-sa", "token", "sentinel-rotated")
		w.AwaitStatus("production", "two fields", func(o *scenario.Glic) bool { return len(o.Status.DriftedFields) == 2 })
		Expect(w.Get("production").Status.DriftedFields).To(Equal([]string{"domain", "kubernetes.tokenSecretRef"}))
		w.StaysQuiet()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.DriftPolicy = v1alpha1.DriftCorrect })
		obj := w.AwaitReady("production")
		Expect(obj.Status.DriftedFields).To(BeEmpty())
		Expect(w.Cluster(obj).Token).To(Equal("sentinel-rotated"))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
	})

	It("adds and deletes as usual", func() {
		w := newWorld()
		w.Create("production", reporting)
		obj := w.AwaitReady("production")
		Expect(w.GitLab.DeleteOutOfBand(obj.Status.ClusterID)).To(Succeed())
		w.AwaitStatus("production", "another cluster", func(o *scenario.Glic) bool { return o.Status.ClusterID > obj.Status.ClusterID })
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
		Expect(w.Writes()).To(Equal([]string{"POST add 201", "POST add 201", "DELETE delete 204"}))
	})
})

var _ = Describe("an edit that GitLab ignores", func() {
	old := func(o *simulator.Options, _ *simulator.ServerOptions) { o.IgnoreManagedOnEdit = true }
	unmanaged := func(o *scenario.Glic) { o.Spec.Managed = new(false) }

	It("is reported with the field and not repeated", func() {
		w := newWorld(old)
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Edit("production", unmanaged)
		obj := w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		Expect(scenario.Ready(obj).Message).To(ContainSubstring("spec.managed"))
		w.AwaitRequests(8, "list") // more than the slow retry takes
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))
	})

	It("is made again when the spec, the Secret or GitLab's value has changed", func() {
		w := newWorld(old)
		w.Create("production")
		w.AwaitReady("production")
		w.Edit("production", unmanaged)
		obj := w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.AwaitRequests(1, "edit")
		w.Secret("gitlab-sa", "token", "sentinel-rotated")
		w.AwaitRequests(1, "edit")
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Name = "by hand" })).To(Succeed())
		w.AwaitRequests(1, "edit")
		w.AwaitRequests(2, "list")
		Expect(w.Writes()).To(HaveLen(3))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Managed = nil })
		w.AwaitReady("production")
	})
})
