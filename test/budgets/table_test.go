// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package budgets

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// The table of budgets, for one object, for a page of them in a GitLab that has other clusters too, and for several
// pages.
var (
	_ = describeTable(1, 0)
	_ = describeTable(100, 130)
	_ = describeTable(250, 0)
)

// describeTable counts what n objects cost in a GitLab with so many clusters of others.
func describeTable(n, foreign int) bool {
	return Describe(fmt.Sprintf("A fleet of %d in a GitLab with %d other clusters", n, foreign), Ordered, func() {
		var f *fleet
		lists := pages(n + foreign) // requests of one list, once all are there

		BeforeAll(func() {
			f = newFleet(n)
			for i := range foreign {
				f.GitLab.Seed(simulator.NewCluster("foreign", fmt.Sprintf("foreign-%d/*", i)))
			}
			f.restart(never)
			f.settle()
			f.ForgetRequests()
		})

		It("is added with one POST and two writes each, after one list", func() {
			f.createAll()
			f.awaitReason(v1alpha1.ReasonSynced)
			f.costs(requests{"list": pages(foreign), "add": n}, 2)
		})

		It("costs nothing when only labels change", func() {
			f.ForgetRequests()
			passes := f.passes()
			f.patchAll(`{"metadata":{"labels":{"team":"payments"}}}`)
			f.costs(requests{}, 0)
			Expect(f.passes()).To(Equal(passes+1), "but for the canary's pass")
		})

		It("has each rotated cluster token with one PUT and one write", func() {
			f.ForgetRequests()
			f.each(func(i int) { f.Secret(ownSecret(i), "token", fmt.Sprintf("%s-rotated-%d", scenario.Sentinel, i)) })
			f.awaitClusters("the new token", func(c simulator.Cluster) bool { return strings.Contains(c.Token, "-rotated-") })
			f.costs(requests{"edit": n}, 1)
		})

		It("is edited with one PUT and one write each, whatever was edited", func() {
			f.ForgetRequests()
			f.patchAll(`{"spec":{"domain":"apps-%d.example.com","kubernetes":{"tokenSecretRef":{"name":"gitlab-sa"}}}}`)
			f.awaitReason(v1alpha1.ReasonSynced)
			f.costs(requests{"edit": n}, 1)
		})

		It("has a rotated token that all share with one PUT and one write each", func() {
			f.ForgetRequests()
			token := scenario.Sentinel + "-shared"
			f.Secret("gitlab-sa", "token", token)
			f.awaitClusters("the new token", func(c simulator.Cluster) bool { return c.Token == token })
			f.costs(requests{"edit": n}, 1)
		})

		It("has a rotated CA with one PUT each", func() {
			f.ForgetRequests()
			ca := certificate()
			f.Secret("cluster-ca", "ca.crt", ca)
			f.awaitClusters("the new CA", func(c simulator.Cluster) bool { return c.CACert != nil && *c.CACert == strings.TrimSpace(ca) })
			f.costs(requests{"edit": n}, 0)
		})

		It("takes a new version of GitLab's Secret with the same token without a request", func() {
			f.ForgetRequests()
			passes := f.passes()
			f.Secret("gitlab-admin", "token", f.AdminToken, "note", "the same token")
			f.awaitPasses(passes + n)
			f.costs(requests{}, 0)
		})

		It("takes a rotated GitLab token with one list and no write", func() {
			f.ForgetRequests()
			passes := f.passes()
			f.AdminToken = "glpat-" + scenario.Sentinel + "-rotated-" + f.label
			f.GitLab.SetToken(simulator.Token{Value: f.AdminToken, Name: "rotated", Scopes: []string{"api", "admin_mode"}})
			f.Secret("gitlab-admin", "token", f.AdminToken)
			f.awaitPasses(passes + n)
			f.costs(requests{"list": lists}, 0)
			f.GitLab.RevokeToken("admin")
		})

		It("is looked at once more with one list", func() {
			f.ForgetRequests()
			f.patch(name(n-1), `{"metadata":{"annotations":{"gitlab.clusterops.dev/reconcile-at":"now"}}}`)
			f.costs(requests{"list": lists}, 0)
		})

		It("survives a restart with one list", func() {
			f.ForgetRequests()
			f.restart(never)
			f.awaitPasses(n)
			f.costs(requests{"list": lists}, 0)
		})

		Context("with a manager that looks often", func() {
			BeforeAll(func() {
				f.restart(often)
				f.awaitPasses(n)
				f.settle()
			})

			It("is checked for drift with one list per interval, and without a pass", func() {
				passes := f.passes()
				f.ForgetRequests()
				f.AwaitRequests(3*lists, "list")
				listsAreComplete(f.GitLab.Journal(), lists, shortest)
				Expect(f.passes()).To(Equal(passes))
				f.writesEach(0)
				for _, e := range f.GitLab.Journal() {
					Expect(e.Token).To(Equal("rotated"), "the old token's connection is closed")
				}
			})

			It("has one drifted cluster put back with one PUT", func() {
				f.ForgetRequests()
				passes := f.passes()
				id := f.Get(name(n / 2)).Status.ClusterID
				Expect(f.GitLab.EditOutOfBand(id, func(c *simulator.Cluster) { c.Domain = nil })).To(Succeed())
				Eventually(func() *string {
					c, _ := f.GitLab.Cluster(id)
					return c.Domain
				}).WithTimeout(patience).ShouldNot(BeNil())
				f.costsBesidesLists(requests{"edit": 1}, 0)
				Expect(f.passes()).To(Equal(passes+2), "its own, and the canary's")
			})

			It("is deleted with one DELETE, one GET and one write each", func() {
				f.ForgetRequests()
				f.each(func(i int) { f.Delete(name(i)) })
				Eventually(f.all).WithTimeout(patience).Should(BeEmpty())
				f.costsBesidesLists(requests{"delete": n, "get": n}, 1)
				Expect(f.GitLab.Clusters()).To(HaveLen(foreign))
				f.CheckInvariants(f.manager)
			})
		})
	})
}
