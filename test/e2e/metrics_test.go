// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// metric is the sum of the manager's series of that name that have all the labels, as they stand in the text.
func metric(m *controlplane.Manager, name string, labels ...string) float64 {
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(m.Metrics(GinkgoT())))
next:
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		series, labelled, _ := strings.Cut(series, "{")
		if series != name {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(labelled, label) {
				continue next
			}
		}
		number, err := strconv.ParseFloat(value, 64)
		Expect(err).NotTo(HaveOccurred())
		sum += number
	}
	return sum
}

var _ = Describe("the metrics", func() {
	It("count requests, objects, drift and lost answers, per GitLab and never per object", func() {
		w := newWorld(func(o *simulator.Options, _ *simulator.ServerOptions) {
			o.RateLimit = simulator.RateLimit{Requests: 1000, Headers: true}
		})
		w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Point: simulator.AfterHandling, Drop: simulator.DropReset})
		w.Create("production", own)
		m := ownManager()
		obj := w.AwaitReady("production")
		w.Create("staging", own)
		w.Await("staging", v1alpha1.ReasonScopeConflict)
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Domain = new("hand.example.com") })).To(Succeed())
		w.AwaitEvent("production", "DriftCorrected")

		const prefix = "gitlab_cluster_operator_"
		gitLab := `gitlab="` + w.Server.URL + `"`
		Expect(metric(m, prefix+"gitlab_requests_total", gitLab, `method="POST"`, `endpoint="add"`, `code="0"`)).To(BeEquivalentTo(1))
		Expect(metric(m, prefix+"gitlab_requests_total", gitLab, `method="GET"`, `endpoint="list"`, `code="200"`)).To(BeNumerically(">", 1))
		Expect(metric(m, prefix+"gitlab_request_duration_seconds_count", gitLab, `endpoint="edit"`)).To(BeEquivalentTo(1))
		Expect(metric(m, prefix+"gitlab_rate_limit_remaining", gitLab)).To(And(BeNumerically(">", 0), BeNumerically("<", 1000)))
		Expect(metric(m, prefix+"resources", `ready="True"`, `reason="Synced"`)).To(BeEquivalentTo(1))
		Expect(metric(m, prefix+"resources", `ready="False"`, `reason="ScopeConflict"`)).To(BeEquivalentTo(1))
		Expect(metric(m, prefix+"drift_total", `field="domain"`)).To(BeEquivalentTo(1))
		Expect(metric(m, prefix+"creates_resolved_total", `outcome="taken"`)).To(BeEquivalentTo(1))
		Expect(metric(m, prefix+"mirror_refresh_timestamp_seconds", gitLab)).To(BeNumerically(">", 1e9))
		Expect(metric(m, "controller_runtime_reconcile_total")).To(BeNumerically(">", 1))
		Expect(m.Metrics(GinkgoT())).NotTo(ContainSubstring(w.Namespace))
		w.CheckInvariants(m)
	})

	It("forget the drift that was put back, not the count", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		before := metric(manager, "gitlab_cluster_operator_drift_total", `field="name"`)
		for i := range 2 {
			Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Name = "by hand" })).To(Succeed())
			w.AwaitRequests(1, "edit")
			Eventually(func() float64 { return metric(manager, "gitlab_cluster_operator_drift_total", `field="name"`) },
				scenario.Patience, "20ms").Should(BeEquivalentTo(before + float64(i+1)))
		}
	})
})
