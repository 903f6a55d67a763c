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

var _ = Describe("A fleet of 250 whose GitLab refuses", Ordered, func() {
	const n = 250
	var f *fleet

	BeforeAll(func() {
		f = newFleet(n)
		f.GitLab.ForgetToken("admin")
		f.restart(never)
		f.settle()
		f.ForgetRequests()
	})

	It("asks once with an unknown token, and tells every object", func() {
		f.createAll()
		f.awaitReason(v1alpha1.ReasonUnauthorized)
		f.costs(requests{"list": 1}, 1)
	})

	It("goes on at once when the Secret is changed, and adds each cluster once", func() {
		f.ForgetRequests()
		f.AdminToken = "glpat-" + scenario.Sentinel + "-known"
		f.GitLab.SetToken(simulator.Token{Value: f.AdminToken, Name: "known", Scopes: []string{"api", "admin_mode"}})
		f.Secret("gitlab-admin", "token", f.AdminToken)
		f.awaitReason(v1alpha1.ReasonSynced)
		f.costs(requests{"list": 1, "add": n}, 2)
	})

	Context("with a manager that looks often", func() {
		const shortest = 2700 * time.Millisecond // three seconds less the jitter

		BeforeAll(func() {
			f.restart("--sync-interval=3s", "--max-concurrent-reconciles=5")
			f.awaitPasses(n)
		})

		for _, refusal := range []struct {
			what, reason string
			apart        time.Duration
			begin, end   func()
		}{
			{"has the feature off", v1alpha1.ReasonFeatureDisabled, shortest,
				func() { f.GitLab.SetFeature(false) }, func() { f.GitLab.SetFeature(true) }},
			{"asks to come back after two seconds", v1alpha1.ReasonRateLimited, 2 * time.Second,
				func() {
					f.GitLab.Inject(simulator.Fault{Answer: &simulator.Answer{Status: http.StatusTooManyRequests,
						Header: http.Header{"Retry-After": {"2"}}, Body: "Retry later\n"}})
				},
				func() { f.GitLab.RemoveFaults() }},
		} {
			It("asks one page per interval of a GitLab that "+refusal.what, func() {
				f.settle()
				f.ForgetRequests()
				refusal.begin()
				f.awaitReason(refusal.reason)
				f.costsBesidesLists(requests{}, 1)

				f.ForgetRequests()
				f.AwaitRequests(2, "list")
				probesApart(f.GitLab.Journal(), refusal.apart)
				f.writesEach(0)

				f.ForgetRequests()
				refusal.end()
				f.awaitReason(v1alpha1.ReasonSynced)
				f.costsBesidesLists(requests{}, 1)
			})
		}

		It("sends one write per interval to a GitLab that is read-only, and all of them once it is not", func() {
			f.settle()
			f.ForgetRequests()
			f.GitLab.SetReadOnly(true)
			f.patchAll(`{"spec":{"domain":"apps-%d.example.com"}}`)
			f.awaitReason(v1alpha1.ReasonForbidden)
			f.settle()
			f.writesEach(1)
			Expect(f.requested()["edit"]).To(BeNumerically("<=", 8+intervals(f, shortest)), "those under way at first and once more, and one per interval")

			f.ForgetRequests()
			f.AwaitRequests(2, "edit")
			var begun time.Time
			for _, e := range f.GitLab.Writes() {
				if !begun.IsZero() {
					Expect(e.Began.Sub(begun)).To(BeNumerically(">=", shortest))
				}
				begun = e.Began
			}
			f.writesEach(0)

			f.ForgetRequests()
			f.GitLab.SetReadOnly(false)
			f.awaitReason(v1alpha1.ReasonSynced)
			f.settle()
			f.writesEach(1)
			refused := 0
			for _, e := range f.GitLab.Writes() {
				if e.Status == http.StatusForbidden {
					refused++
				}
			}
			Expect(refused).To(BeNumerically("<=", 1))
			Expect(f.requested()["edit"]).To(Equal(n + refused))
			f.CheckInvariants(f.manager)
		})
	})
})

// intervals is how many intervals can have passed since ForgetRequests.
func intervals(f *fleet, shortest time.Duration) int {
	journal := f.GitLab.Journal()
	return int(journal[len(journal)-1].Began.Sub(journal[0].Began)/shortest) + 1
}
