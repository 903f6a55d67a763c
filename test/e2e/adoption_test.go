// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// adopting has an object take over a cluster by its id.
func adopting(id int64) func(*scenario.Glic) {
	return func(o *scenario.Glic) { o.Spec.ClusterID = &id }
}

// matching has an object take over a cluster with its scope, name and API URL.
func matching(o *scenario.Glic) { o.Spec.AdoptionPolicy = v1alpha1.AdoptionMatching }

// alike is a cluster with the scope, name and API URL of an object of that name.
func alike(name string) simulator.Cluster {
	cluster := simulator.NewCluster(name, "*")
	cluster.APIURL = "https://k8s.example.com:6443"
	return cluster
}

var _ = Describe("adoption by id", func() {
	It("takes the cluster over and makes it equal to the spec, its token included", func() {
		w := newWorld()
		id := w.GitLab.Seed(simulator.NewCluster("made by hand", "old/*"))
		w.Create("production", adopting(id), scope("production/*"))
		obj := w.AwaitReady("production")
		Expect(obj.Status.ClusterID).To(Equal(id))
		Expect(scenario.HasFinalizer(obj)).To(BeTrue())
		cluster := w.Cluster(obj)
		Expect([]string{cluster.Name, cluster.EnvironmentScope, cluster.Token}).To(Equal([]string{"production", "production/*", w.ClusterToken}))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		w.AwaitEvent("production", "Adopted", fmt.Sprint(id))
		w.StaysQuiet()
	})

	It("sends the token alone to a cluster that is as the spec says", func() {
		w := newWorld()
		w.Create("production", adopting(w.GitLab.Seed(alike("production"))))
		w.AwaitReady("production")
		Expect(w.LastBody()).To(MatchJSON(fmt.Sprintf(
			`{"platform_kubernetes_attributes":{"token":%q},"namespace_per_environment":true}`, w.ClusterToken)))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
	})

	It("never adds a cluster instead of one that is not there", func() {
		w := newWorld()
		w.Create("production", adopting(7))
		obj := w.Await("production", v1alpha1.ReasonClusterNotFound)
		Expect(scenario.Ready(obj).Message).To(ContainSubstring("cluster 7"))
		w.StaysAs()
		cluster := simulator.NewCluster("came later", "*")
		cluster.ID = 7
		w.GitLab.Seed(cluster)
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
	})

	It("that is given up adds a cluster", func() {
		w := newWorld()
		w.Create("production", adopting(7))
		w.Await("production", v1alpha1.ReasonClusterNotFound)
		w.Edit("production", func(o *scenario.Glic) { o.Spec.ClusterID = nil })
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
	})

	It("refuses a cluster that GitLab made at a provider", func() {
		w := newWorld()
		cluster := simulator.NewCluster("gke", "*")
		cluster.ProviderType, cluster.GCP = "gcp", &simulator.ProviderGCP{StatusName: "created"}
		w.Create("production", adopting(w.GitLab.Seed(cluster)))
		obj := w.Await("production", v1alpha1.ReasonNotEditable)
		Expect(scenario.HasFinalizer(obj)).To(BeFalse())
		w.StaysAs()
	})

	It("refuses a cluster of another authorization type until the spec has that type", func() {
		w := newWorld()
		cluster := alike("production")
		cluster.AuthorizationType = "abac"
		w.Create("production", adopting(w.GitLab.Seed(cluster)))
		obj := w.Await("production", v1alpha1.ReasonAuthorizationTypeMismatch)
		Expect(scenario.Ready(obj).Message).To(ContainSubstring(`"abac"`))
		Expect(w.Writes()).To(BeEmpty())
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Kubernetes.AuthorizationType = v1alpha1.AuthorizationABAC })
		w.AwaitReady("production")
	})

	It("heals when the type of a recorded cluster is not what the spec says", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.AuthorizationType = "abac" })).To(Succeed())
		w.Await("production", v1alpha1.ReasonAuthorizationTypeMismatch)
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Kubernetes.AuthorizationType = v1alpha1.AuthorizationABAC })
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
	})

	It("refuses a cluster that another object has", func() {
		w := newWorld()
		w.Create("first")
		first := w.AwaitReady("first")
		w.ForgetRequests()
		w.Create("second", adopting(first.Status.ClusterID), scope("second"))
		obj := w.Await("second", v1alpha1.ReasonScopeConflict)
		Expect(scenario.Ready(obj).Message).To(ContainSubstring(w.Namespace + "/first"))
		Expect(obj.Status.ClusterID).To(BeZero())
		w.StaysAs()
		w.Delete("second")
		w.AwaitGone("second")
		Expect(w.Cluster(first).Name).To(Equal("first"))
		Expect(w.Writes()).To(BeEmpty())
	})
})

var _ = Describe("adoption of a matching cluster", func() {
	It("takes over the one with the same scope, name and API URL", func() {
		w := newWorld()
		id := w.GitLab.Seed(alike("production"))
		w.Create("production", matching)
		obj := w.AwaitReady("production")
		Expect(obj.Status.ClusterID).To(Equal(id))
		Expect(w.Cluster(obj).Token).To(Equal(w.ClusterToken))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
	})

	DescribeTable("is refused",
		func(policy v1alpha1.AdoptionPolicy, change func(*simulator.Cluster)) {
			w := newWorld()
			cluster := alike("production")
			change(&cluster)
			id := w.GitLab.Seed(cluster)
			w.Create("production", func(o *scenario.Glic) { o.Spec.AdoptionPolicy = policy })
			obj := w.Await("production", v1alpha1.ReasonScopeConflict)
			Expect(scenario.Ready(obj).Message).To(ContainSubstring(fmt.Sprintf("cluster %d", id)))
			Expect(scenario.HasFinalizer(obj)).To(BeFalse())
			w.StaysAs()
		},
		Entry("by the policy Never", v1alpha1.AdoptionNever, func(*simulator.Cluster) {}),
		Entry("of another name", v1alpha1.AdoptionMatching, func(c *simulator.Cluster) { c.Name = "other" }),
		Entry("of another API URL", v1alpha1.AdoptionMatching, func(c *simulator.Cluster) { c.APIURL = "https://other.example.com" }),
		Entry("of a provider's cluster", v1alpha1.AdoptionMatching, func(c *simulator.Cluster) { c.ProviderType = "aws" }),
	)

	It("leaves one alone that another object has", func() {
		w := newWorld()
		w.Create("first", func(o *scenario.Glic) { o.Spec.Name = "same" })
		w.AwaitReady("first")
		w.Create("second", matching, func(o *scenario.Glic) { o.Spec.Name = "same" })
		Expect(scenario.Ready(w.Await("second", v1alpha1.ReasonScopeConflict)).Message).To(ContainSubstring("/first"))
		w.StaysAs()
	})
})

var _ = Describe("two that want the same scope", func() {
	It("leave it to a cluster that is not ours, and take it when that one goes", func() {
		w := newWorld()
		id := w.GitLab.Seed(simulator.NewCluster("theirs", "*"))
		w.Create("production")
		obj := w.Await("production", v1alpha1.ReasonScopeConflict)
		Expect(scenario.Ready(obj).Message).To(And(ContainSubstring(fmt.Sprintf("cluster %d", id)), ContainSubstring("theirs")))
		w.AwaitEvent("production", v1alpha1.ReasonScopeConflict)
		w.StaysAs()
		Expect(w.GitLab.DeleteOutOfBand(id)).To(Succeed())
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
	})

	It("learn from GitLab's refusal of a cluster that came since the last list", func() {
		w := newWorld()
		w.Create("first", scope("first"), own)
		w.Create("production", own)
		m := ownManager("--sync-interval=1h")
		w.AwaitReady("first")
		w.AwaitReady("production")
		id := w.GitLab.Seed(simulator.NewCluster("theirs", "late"))
		w.ForgetRequests()
		w.Create("second", scope("late"), own)
		obj := w.Await("second", v1alpha1.ReasonScopeConflict)
		Eventually(func() string { return w.Message("second") }, scenario.Patience, "20ms").Should(ContainSubstring(fmt.Sprintf("cluster %d", id)))
		Expect(w.Writes()).To(Equal([]string{"POST add 400"}))
		w.Delete("second")
		w.AwaitGone("second")
		Expect(obj.Status.ClusterID).To(BeZero())
		Expect(w.Writes()).To(Equal([]string{"POST add 400"}))
		w.CheckInvariants(m)
	})

	It("learn so from an edit that GitLab refuses", func() {
		w := newWorld()
		m := ownManager("--sync-interval=1h")
		w.Create("production", own, scope("mine"))
		w.AwaitReady("production")
		id := w.GitLab.Seed(simulator.NewCluster("theirs", "theirs"))
		w.Edit("production", scope("theirs"))
		Eventually(func() string { return w.Message("production") }, scenario.Patience, "20ms").
			Should(ContainSubstring(fmt.Sprintf("belongs to cluster %d", id)))
		w.Await("production", v1alpha1.ReasonScopeConflict)
		Expect(w.Writes()).To(Equal([]string{"POST add 201", "PUT edit 400"}))
		w.CheckInvariants(m)
	})

	It("do not ask for one again and again that GitLab calls taken and lists nowhere", func() {
		w := newWorld()
		m := ownManager("--sync-interval=1h")
		w.GitLab.Inject(simulator.Fault{Endpoint: "add", Answer: &simulator.Answer{Status: 400,
			Body: `{"message":{"environment_scope":["cannot add duplicated environment scope"]}}`}})
		w.Create("production", own)
		w.Await("production", v1alpha1.ReasonScopeConflict)
		Eventually(func() string { return w.Message("production") }, scenario.Patience, "20ms").
			Should(ContainSubstring("spec.managementProjectID"))
		Consistently(w.Writes, "1s", "50ms").Should(Equal([]string{"POST add 400", "POST add 400"}))
		w.CheckInvariants(m)
	})

	It("leave it to the one that has it, and the other follows without an edit", func() {
		w := newWorld()
		w.Create("first")
		w.AwaitReady("first")
		w.Create("second")
		obj := w.Await("second", v1alpha1.ReasonScopeConflict)
		Expect(scenario.Ready(obj).Message).To(ContainSubstring(w.Namespace + "/first"))
		w.StaysQuiet()
		w.Delete("first")
		w.AwaitGone("first")
		w.AwaitReady("second")
		Expect(w.Writes()).To(Equal([]string{"DELETE delete 204", "POST add 201"}))
	})

	It("follow when the one that has it moves to another scope", func() {
		w := newWorld()
		w.Create("first")
		w.AwaitReady("first")
		w.Create("second")
		w.Await("second", v1alpha1.ReasonScopeConflict)
		w.Edit("first", scope("elsewhere"))
		w.AwaitReady("first")
		w.AwaitReady("second")
	})

	It("that neither has is for the one that was created first", func() {
		w := newWorld()
		w.DeleteSecret("gitlab-admin")
		objects := []*scenario.Glic{w.Create("a"), w.Create("b"), w.Create("c")}
		for _, o := range objects {
			w.Await(o.Name, v1alpha1.ReasonSecretNotFound)
		}
		winner := oldest(objects)
		w.Secret("gitlab-admin", "token", w.AdminToken)
		w.AwaitReady(winner.Name)
		for _, o := range objects {
			if o != winner {
				w.Await(o.Name, v1alpha1.ReasonScopeConflict)
				Eventually(func() string { return w.Message(o.Name) }, scenario.Patience, "20ms").
					Should(MatchRegexp("belongs to cluster .* of GitLabInstanceCluster .*/" + winner.Name))
			}
		}
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		w.StaysQuiet()
	})

	It("see that their GitLab is the same, however its address is written", func() {
		w := newWorld()
		w.Create("first")
		w.AwaitReady("first")
		w.Create("second", func(o *scenario.Glic) { o.Spec.GitLab.URL = strings.Replace(w.Server.URL, "http:", "HTTP:", 1) + "/" })
		Expect(scenario.Ready(w.Await("second", v1alpha1.ReasonScopeConflict)).Message).To(ContainSubstring("/first"))
	})

	It("of which one changes its spec to the other's scope keep what they have", func() {
		w := newWorld()
		w.Create("first", scope("first"))
		w.Create("second", scope("second"))
		w.AwaitReady("first")
		before := w.AwaitReady("second")
		w.Edit("second", scope("first"))
		obj := w.Await("second", v1alpha1.ReasonScopeConflict)
		Expect(obj.Status.ClusterID).To(Equal(before.Status.ClusterID))
		Expect(w.Cluster(obj).EnvironmentScope).To(Equal("second"))
		w.StaysAs()
		w.Delete("first")
		w.AwaitGone("first")
		Expect(w.Cluster(w.AwaitReady("second")).EnvironmentScope).To(Equal("first"))
	})
})

// oldest is the object that comes first: by creation, then by UID.
func oldest(objects []*scenario.Glic) *scenario.Glic {
	first := objects[0]
	for _, o := range objects[1:] {
		if o.CreationTimestamp.Before(&first.CreationTimestamp) ||
			o.CreationTimestamp.Equal(&first.CreationTimestamp) && o.UID < first.UID {
			first = o
		}
	}
	return first
}

var _ = Describe("the identity of a cluster", func() {
	It("is lost when its id shows another creation, and nothing is written to that one", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) {
			*c = simulator.NewCluster("theirs", "*")
			c.CreatedAt = time.Now().Add(time.Hour)
		})).To(Succeed())
		w.Await("production", v1alpha1.ReasonIdentityMismatch)
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.Await("production", v1alpha1.ReasonIdentityMismatch)
		w.Secret("gitlab-sa", "token", "sentinel-new")
		w.AwaitRequests(2, "list")
		w.Delete("production")
		Expect(scenario.Ready(w.Await("production", v1alpha1.ReasonDeletionBlocked)).Message).
			To(And(ContainSubstring(v1alpha1.ReasonIdentityMismatch), ContainSubstring("Orphan")))
		w.AwaitRequests(2, "list")
		Expect(w.Writes()).To(BeEmpty())
		w.Edit("production", func(o *scenario.Glic) { o.Spec.DeletionPolicy = v1alpha1.DeletionOrphan })
		w.AwaitGone("production")
		Expect(w.Cluster(obj).Name).To(Equal("theirs"))
	})

	It("is the same when GitLab writes the time of creation in another zone", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Suspend = true })
		w.Await("production", v1alpha1.ReasonSuspended)
		zoned := w.Get("production")
		created, err := time.Parse(time.RFC3339Nano, obj.Status.ClusterCreatedAt)
		Expect(err).NotTo(HaveOccurred())
		zoned.Status.ClusterCreatedAt = created.In(time.FixedZone("", 7200)).Format("2006-01-02T15:04:05.000-07:00")
		Expect(w.CP.Client.Status().Update(w.Context(), zoned)).To(Succeed())
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Suspend, o.Spec.Domain = false, "example.com" })
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
	})

	DescribeTable("is not found at another GitLab, and neither is written to",
		func(fill func(*simulator.Simulator)) {
			w, other := newWorld(), newWorld()
			other.GitLab.SetToken(simulator.Token{Value: w.AdminToken, Name: "same", Scopes: []string{"api", "admin_mode"}})
			fill(other.GitLab)
			w.Create("production")
			w.AwaitReady("production")
			w.ForgetRequests()
			w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = other.Server.URL })
			obj := w.Await("production", v1alpha1.ReasonIdentityMismatch)
			Expect(obj.Status.GitLabURL).To(Equal(w.Server.URL))
			other.AwaitRequests(2, "list")
			Expect(append(w.Writes(), other.Writes()...)).To(BeEmpty())
			w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = w.Server.URL })
			w.AwaitReady("production")
			Expect(append(w.Writes(), other.Writes()...)).To(BeEmpty())
		},
		Entry("that is empty", func(*simulator.Simulator) {}),
		Entry("that has the id", func(s *simulator.Simulator) {
			cluster := simulator.NewCluster("theirs", "*")
			cluster.ID, cluster.CreatedAt = 1, time.Now().Add(-time.Hour)
			s.Seed(cluster)
		}),
	)

	It("is recognised when the same GitLab has a new name", func() {
		w := newWorld()
		w.Create("production")
		before := w.AwaitReady("production")
		w.ForgetRequests()
		renamed := strings.Replace(w.Server.URL, "127.0.0.1", "localhost", 1)
		w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = renamed })
		obj := w.AwaitReady("production")
		Expect(obj.Status.GitLabURL).To(Equal(renamed))
		Expect(obj.Status.ClusterURL).To(Equal(fmt.Sprintf("%s/admin/clusters/%d", renamed, before.Status.ClusterID)))
		Expect(w.Writes()).To(BeEmpty())
		Expect(w.KubernetesWrites()).To(HaveLen(1))
		w.StaysQuiet()
	})
})
