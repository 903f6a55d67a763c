// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package budgets

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

var _ = Describe("A fleet that is paced", func() {
	It("spreads its requests as --gitlab-qps says, and writes no status about that", func() {
		const n, qps, burst = 250, 50, 5
		f := newFleet(n)
		f.restart(never, "--gitlab-qps=50", "--gitlab-burst=5", "--max-concurrent-reconciles=10")
		f.settle()
		f.ForgetRequests()
		f.createAll()
		f.awaitReason(v1alpha1.ReasonSynced)
		f.costs(requests{"list": 1, "add": n}, 2)
		journal := f.GitLab.Journal()
		took := journal[n].Began.Sub(journal[0].Began)
		Expect(took).To(BeNumerically(">=", time.Duration(n-burst)*time.Second/qps-200*time.Millisecond))
		for i := range journal {
			// What a busy machine has held up arrives together: as many as there are workers.
			if next := i + qps + burst + 10; next < len(journal) {
				Expect(journal[next].Began.Sub(journal[i].Began)).To(BeNumerically(">=", time.Second), "%d requests", qps+burst+11)
			}
		}
	})

	It("stays below the limit that GitLab's headers tell of, and writes no status about that", func() {
		const n = 100
		f := newFleet(n, func(o *simulator.Options, _ *simulator.ServerOptions) {
			o.RateLimit = simulator.RateLimit{Requests: 40, Period: 2 * time.Second, Headers: true}
		})
		f.restart(never)
		f.settle()
		f.ForgetRequests()
		f.createAll()
		f.awaitReason(v1alpha1.ReasonSynced)
		f.costs(requests{"list": 1, "add": n}, 2)
		for _, e := range f.GitLab.Journal() {
			Expect(e.Status).NotTo(Equal(http.StatusTooManyRequests))
		}
	})
})

var _ = Describe("A new object", func() {
	It("is Ready within seconds while 250 others are refused again and again", func() {
		const n = 250
		f := newFleet(n, func(o *simulator.Options, _ *simulator.ServerOptions) { o.Outbound.AllowLocal = false })
		f.restart("--sync-interval=2s", "--max-concurrent-reconciles=2")
		f.createAll(func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://10.0.0.1:6443" })
		f.awaitReason(v1alpha1.ReasonRejectedByGitLab)
		// Each is tried again within 12 seconds, and two workers cannot try more than 20 in a second.
		f.GitLab.SetLatency(100 * time.Millisecond)
		f.ForgetRequests()
		f.AwaitRequests(100, "add")

		healthy := scenario.NewWorld(GinkgoT(), cp)
		for _, w := range []*scenario.World{healthy, f.World} {
			w.Create("new", f.labelled, func(o *scenario.Glic) { o.Spec.EnvironmentScope = "new/*" })
			began := time.Now()
			w.AwaitReady("new")
			Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
		}
	})

	It("goes before 250 others whose Secret has been rotated", func() {
		const n = 250
		f := newFleet(n)
		f.restart(never, "--max-concurrent-reconciles=2")
		f.createAll(func(o *scenario.Glic) { o.Spec.Kubernetes.TokenSecretRef.Name = "gitlab-sa" })
		f.awaitReason(v1alpha1.ReasonSynced)
		f.GitLab.SetLatency(200 * time.Millisecond)
		f.ForgetRequests()
		f.Secret("gitlab-sa", "token", scenario.Sentinel+"-rotated")
		f.AwaitRequests(1, "edit")
		f.Create("new", f.labelled, func(o *scenario.Glic) { o.Spec.EnvironmentScope = "new/*" })
		before := f.requested()["edit"]
		f.AwaitReady("new")
		Expect(n-before).To(BeNumerically(">", 100), "others that were still to come when it was created")
		Expect(f.requested()["edit"]-before).To(BeNumerically("<", 50), "others that went before it")
	})

	It("goes before 250 others that a restarted manager has to catch up with", func() {
		const n = 250
		f := newFleet(n)
		f.restart(never)
		f.createAll(func(o *scenario.Glic) { o.Spec.Kubernetes.TokenSecretRef.Name = "gitlab-sa" })
		f.awaitReason(v1alpha1.ReasonSynced)
		f.stop()
		f.Secret("gitlab-sa", "token", scenario.Sentinel+"-rotated")
		f.GitLab.SetLatency(200 * time.Millisecond)
		f.ForgetRequests()
		f.restart(never, "--max-concurrent-reconciles=2")
		f.Create("new", f.labelled, func(o *scenario.Glic) { o.Spec.EnvironmentScope = "new/*" })
		before := f.requested()["edit"]
		f.AwaitReady("new")
		Expect(n-before).To(BeNumerically(">", 100), "others that were still to come when it was created")
		Expect(f.requested()["edit"]-before).To(BeNumerically("<", 50), "others that went before it")
	})
})
