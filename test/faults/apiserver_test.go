// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

const resource = "gitlabinstanceclusters"

func TestStatusPatchThatConflictsIsRetriedInTheSamePass(t *testing.T) {
	w, p, _ := begin(t)
	held := p.Inject(Fault{Match: w.here(status), Times: 1, Hold: true})
	w.object(objectName)
	w.must("the status patch", held.Wait(w.within(), 1))
	w.Edit(objectName, func(o *scenario.Glic) { o.Annotations["example.com/note"] = "somebody else's" })
	listed := w.GitLab.Counts()["list"]
	held.Release()
	w.must("the second try", p.WaitAnswered(w.within(), 2, w.t0, w.here(status)))
	w.Expect(w.GitLab.Counts()["list"]).To(gomega.BeNumerically("<=", listed+1), "the id was searched for")
	w.AwaitReady(objectName)
	var codes []int
	for _, r := range p.Records(w.here(status)) {
		codes = append(codes, r.Status)
	}
	w.Expect(codes).To(equal([]int{http.StatusConflict, http.StatusOK}))
	w.addedOnce()
	w.end()
}

func TestStatusPatchWaitsForAnAPIServerThatIsAwayBriefly(t *testing.T) {
	w, p, m := begin(t)
	held := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Point: simulator.AfterHandling, Times: 1, Hold: true})
	w.object(objectName)
	w.must("the add", held.Wait(w.within(), 1))
	p.Down()
	held.Release()
	w.Eventually(m.Log, scenario.Patience, "20ms").Should(gomega.ContainSubstring("the API server does not answer"))
	p.Up(t)
	w.AwaitReady(objectName)
	w.Expect(m.Log()).NotTo(gomega.ContainSubstring("Reconciler error"), "the pass was given up")
	w.addedOnce()
	w.end()
}

func TestClusterIsFoundByListAfterAnAPIServerThatWasAwayTooLong(t *testing.T) {
	w, p, m := begin(t)
	held := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Point: simulator.AfterHandling, Times: 1, Hold: true})
	w.object(objectName)
	w.must("the add", held.Wait(w.within(), 1))
	p.Down()
	held.Release()
	w.Eventually(m.Log, scenario.Patience, "20ms").Should(gomega.ContainSubstring("Reconciler error"))
	p.Up(t)
	w.AwaitReady(objectName)
	w.addedOnce()
	w.end()
}

// TestRefusals has the API server refuse each patch twice, in each way in which it may.
func TestRefusals(t *testing.T) {
	first, p, _ := begin(t)
	var running sync.WaitGroup
	defer running.Wait()
	for _, s := range stories {
		for _, e := range s.effects {
			for _, code := range []int{http.StatusConflict, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
				if e.step.gitLab() {
					continue
				}
				name := strings.ReplaceAll(s.name+": "+string(e.step)+" "+strconv.Itoa(e.nth+1)+" answered "+strconv.Itoa(code), " ", "_")
				running.Go(func() {
					t.Run(name, func(t *testing.T) {
						named.Add(1)
						w := newWorld(t, first.label)
						w.guard(p)
						if s.arrange != nil {
							s.arrange(w)
						}
						refused := p.Inject(Fault{Match: w.here(e.step), Skip: e.nth, Times: 2, Status: code})
						mark := len(w.GitLab.Journal())
						s.trigger(w)
						w.must("the refusals", refused.Wait(w.within(), 2))
						if s.gone {
							w.AwaitGone(objectName)
						} else {
							w.awaitEnd(crash{story: s})
						}
						for _, e := range w.GitLab.Journal()[mark:] {
							if e.Endpoint == "add" && (e.Status != http.StatusCreated || e.Lost) {
								w.Errorf("an add was answered %d", e.Status)
							}
						}
						w.check()
						if !s.gone {
							w.quiet()
						}
					})
				})
			}
		}
	}
}

func TestWatchesThatAreFrozenCutAndExpiredWhileTheSpecChangesTwice(t *testing.T) {
	w, p, _ := begin(t)
	ready(w)
	w.ForgetRequests()
	p.Freeze(resource)
	for _, domain := range []string{"first.example.com", "last.example.com"} {
		w.Edit(objectName, func(o *scenario.Glic) { o.Spec.Domain = domain })
	}
	expired := p.Inject(Fault{Match: func(c Call) bool { return c.Watch && c.Resource == resource }, Times: 1, Status: http.StatusGone})
	w.Expect(p.CutWatches(resource)).To(gomega.BeNumerically(">", 0))
	w.must("the refused watch", expired.Wait(w.within(), 1))
	p.Thaw(resource)
	obj := w.AwaitReady(objectName)
	w.Expect(*w.Cluster(obj).Domain).To(equal("last.example.com"))
	w.Expect(w.Writes()).To(equal([]string{"PUT edit 200"}))
	w.Expect(w.KubernetesWrites()).To(gomega.HaveLen(1))
	w.end()
}

func TestWatchThatIsFrozenForAWhileBringsTheLastSpec(t *testing.T) {
	w, p, _ := begin(t)
	ready(w)
	p.Freeze(resource)
	w.Edit(objectName, func(o *scenario.Glic) { o.Spec.Domain = "first.example.com" })
	w.Edit(objectName, func(o *scenario.Glic) { o.Spec.Domain = "last.example.com" })
	w.ForgetRequests()
	w.AwaitRequests(1, "list")
	w.Expect(w.Writes()).To(gomega.BeEmpty())
	p.Thaw(resource)
	obj := w.AwaitReady(objectName)
	w.Expect(*w.Cluster(obj).Domain).To(equal("last.example.com"))
	w.end()
}

func TestAPIServerThatRestartsChangesNothing(t *testing.T) {
	w, p, _ := begin(t)
	ready(w)
	w.ForgetRequests()
	p.Down()
	expired := p.Inject(Fault{Match: func(c Call) bool { return c.Watch }, Times: 2, Status: http.StatusGone})
	w.AwaitRequests(1, "list")
	p.Up(t)
	w.must("the refused watches", expired.Wait(w.within(), 2))
	w.Expect(w.Writes()).To(gomega.BeEmpty())
	w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
	w.Edit(objectName, func(o *scenario.Glic) { o.Spec.Domain = "apps.example.com" })
	w.AwaitReady(objectName)
	w.Expect(w.Writes()).To(equal([]string{"PUT edit 200"}))
	w.end()
}

func TestOwnWriteThatTheCacheDoesNotShowIsKnown(t *testing.T) {
	w, p, _ := begin(t)
	p.OnCall(func(c Call) {
		if w.here(intent)(c) {
			p.Freeze(resource)
		}
	})
	w.GitLab.Inject(simulator.Fault{Endpoint: "add", Point: simulator.AfterHandling, Times: 1, Drop: simulator.DropReset})
	w.object(objectName)
	w.AwaitReady(objectName)
	w.addedOnce()
	p.Thaw(resource)
	w.end()
}
