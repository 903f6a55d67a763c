// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// awaitPasses returns when the manager has ended n passes.
func awaitPasses(m *controlplane.Manager, n int) {
	Eventually(func() float64 { return metric(m, "controller_runtime_reconcile_total", `result="success"`) }, scenario.Patience, "50ms").
		Should(BeNumerically(">=", n))
}

// The manager of these scenarios lists once an hour, so that every request has a cause in the scenario.
var _ = Describe("the budget of", func() {
	It("one object, from its creation to its deletion, is kept exactly", func() {
		w := newWorld()
		ownManager("--sync-interval=1h")
		w.Create("production", own)
		w.AwaitReady("production")
		Expect(w.Requests()).To(Equal([]string{"GET list 200", "POST add 201"}))
		Expect(w.KubernetesWrites()).To(HaveLen(2))

		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain, o.Spec.Name = "example.com", "other" })
		w.AwaitReady("production")
		Expect(w.Requests()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))

		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Annotations["team"] = "a" })
		Consistently(w.Requests, "1s", "100ms").Should(BeEmpty())
		Expect(w.KubernetesWrites()).To(BeEmpty())

		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.Requests()).To(Equal([]string{"DELETE delete 204", "GET get 404"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))
	})

	It("an object with nothing to do is the list alone, interval by interval", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.AwaitRequests(1, "list")
		passes := metric(manager, "controller_runtime_reconcile_total")
		w.ForgetRequests()
		w.AwaitRequests(3, "list")
		Expect(w.Requests()).To(HaveEach("GET list 200"))
		Expect(w.KubernetesWrites()).To(BeEmpty())
		Expect(metric(manager, "controller_runtime_reconcile_total")).To(Equal(passes))
	})

	DescribeTable("a restart with 20 healthy objects is one list, whatever its pages, and no write",
		func(others, pages int) {
			w := newWorld()
			for i := range others {
				w.GitLab.Seed(simulator.NewCluster("theirs", fmt.Sprintf("theirs-%d", i)))
			}
			m := ownManager("--sync-interval=1h")
			for i := range 20 {
				w.Create(fmt.Sprintf("cluster-%d", i), own, scope(fmt.Sprintf("ours-%d", i)))
			}
			for i := range 20 {
				w.AwaitReady(fmt.Sprintf("cluster-%d", i))
			}
			Expect(w.Writes()).To(HaveLen(20))
			m.Stop(GinkgoT())
			w.ForgetRequests()
			m = ownManager("--sync-interval=1h")
			awaitPasses(m, 20)
			Expect(w.Requests()).To(HaveLen(pages))
			Expect(w.Requests()).To(HaveEach("GET list 200"))
			Expect(w.KubernetesWrites()).To(BeEmpty())
			w.CheckInvariants(m)
		},
		Entry("exactly one page full", 80, 1),
		Entry("of which there are two", 81, 2),
	)

	It("an object whose cluster is on the second page is the same", func() {
		w := newWorld()
		for i := range 150 {
			w.GitLab.Seed(simulator.NewCluster("theirs", fmt.Sprintf("theirs-%d", i)))
		}
		ownManager("--sync-interval=1h")
		w.Create("production", own)
		w.AwaitReady("production")
		Expect(w.Requests()).To(Equal([]string{"GET list 200", "GET list 200", "POST add 201"}))
	})
})
