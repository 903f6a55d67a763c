// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

func TestSIGTERMLetsTheAddAndItsRecordFinish(t *testing.T) {
	w, _, m := begin(t)
	held := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Hold: true})
	w.object(objectName)
	w.must("the add", held.Wait(w.within(), 1))
	m.Signal(t, syscall.SIGTERM)
	w.Eventually(m.Log, scenario.Patience, "20ms").Should(gomega.ContainSubstring("Stopping and waiting"))
	held.Release()
	w.Expect(m.Wait(t, 45*time.Second)).To(equal(0))
	obj := w.AwaitReady(objectName)
	w.Expect(w.ours()[0].ID).To(equal(obj.Status.ClusterID))
	w.addedOnce()
	w.check()
}

func TestSIGTERMEndsInsideTheGracePeriodIfGitLabNeverAnswers(t *testing.T) {
	w, p, m := begin(t, "--gitlab-timeout=3s")
	held := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Hold: true})
	w.object(objectName)
	w.must("the add", held.Wait(w.within(), 1))
	m.Signal(t, syscall.SIGTERM)
	w.Expect(m.Wait(t, 45*time.Second)).To(equal(0))
	w.Await(objectName, v1alpha1.ReasonResolvingCreate)
	held.Release()
	w.manager(p)
	w.AwaitReady(objectName)
	w.addedOnce()
	w.end()
}

// TestManagerWithAStaleCacheAddsNothing holds the intent of one manager until another has added the cluster: the fence
// refuses it, and again as long as the cache does not show why.
func TestManagerWithAStaleCacheAddsNothing(t *testing.T) {
	w, behind, _ := begin(t)
	held := behind.Inject(Fault{Match: w.here(intent), Times: 1, Hold: true})
	behind.OnCall(func(c Call) {
		if w.here(intent)(c) {
			behind.Freeze(resource)
		}
	})
	w.object(objectName)
	w.must("the first manager's intent", held.Wait(w.within(), 1))
	p := NewProxy(t, cp)
	w.guard(p)
	w.manager(p)
	obj := w.AwaitReady(objectName)
	held.Release()
	w.must("the fence", behind.WaitAnswered(w.within(), 1, w.t0, w.here(intent)))
	w.Expect(behind.Records(w.here(intent))[0].Status).To(equal(http.StatusConflict))
	w.AwaitRequests(2, "list")
	w.addedOnce()
	w.Expect(len(behind.Records(w.here(intent)))).To(gomega.BeNumerically("<", 20), "the pass starts over and over")
	behind.Thaw(resource)
	w.Expect(w.AwaitReady(objectName).Status.ClusterID).To(equal(obj.Status.ClusterID))
	w.addedOnce()
	w.check()
}

func TestTwoManagersAtWorkAtOnceAddOneClusterEach(t *testing.T) {
	w, _, _ := begin(t)
	p := NewProxy(t, cp)
	w.guard(p)
	w.manager(p)
	const objects = 20
	name := func(i int) string { return fmt.Sprintf("cluster-%d", i) }
	for i := range objects {
		w.object(name(i), func(o *scenario.Glic) { o.Spec.EnvironmentScope = name(i) + "/*" })
	}
	for i := range objects {
		w.AwaitReady(name(i))
	}
	if sent, made := w.sent("add"); sent != objects || made != objects {
		t.Errorf("%d adds were sent and %d made for %d objects", sent, made, objects)
	}
	w.Expect(w.ours()).To(gomega.HaveLen(objects))
	for i := range objects {
		w.Edit(name(i), func(o *scenario.Glic) { o.Spec.Domain = "apps.example.com" })
	}
	for i := range objects {
		w.Expect(*w.Cluster(w.AwaitReady(name(i))).Domain).To(equal("apps.example.com"))
	}
	w.check()
	w.ForgetRequests()
	w.AwaitRequests(4, "list")
	w.Expect(w.Writes()).To(gomega.BeEmpty())
	w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
	for i := range objects {
		w.Delete(name(i))
	}
	for i := range objects {
		w.AwaitGone(name(i))
	}
	w.Expect(w.ours()).To(gomega.BeEmpty())
	w.check()
}

// electing are the arguments of a manager that works only while it holds the world's lease.
func (w *world) electing() []string {
	return []string{"--leader-elect=true", "--leader-election-namespace=" + controlplane.SystemNamespace, "--leader-election-id=" + w.label}
}

const elected = "Successfully acquired lease"

func (w *world) awaitElected(m *controlplane.Manager, limit time.Duration) {
	w.Helper()
	w.Eventually(m.Log, limit, "20ms").Should(gomega.ContainSubstring(elected))
}

func TestLeaderThatIsPausedPastItsLeaseWithAnAddPending(t *testing.T) {
	// The lease lasts 15 s, and the next leader asks for it every 2 s.
	const takeover = 40 * time.Second
	t.Run("which GitLab makes meanwhile", func(t *testing.T) {
		w, leader, next, held := beginPaused(t)
		held.Release()
		w.awaitElected(next, takeover)
		w.AwaitReady(objectName)
		w.addedOnce()
		w.resume(leader)
		w.addedOnce()
		w.end()
	})
	t.Run("which GitLab makes only after the next leader's", func(t *testing.T) {
		w, leader, next, held := beginPaused(t)
		w.awaitElected(next, takeover)
		w.AwaitReady(objectName)
		held.Release()
		w.resume(leader)
		sent, made := w.sent("add")
		w.Expect([]int{sent, made}).To(equal([]int{2, 1}))
		w.end()
	})
}

// beginPaused is a world whose leader is paused with its add at GitLab, not handled yet, while another manager waits for
// the lease.
func beginPaused(t *testing.T) (w *world, leader, next *controlplane.Manager, held *simulator.Injected) {
	t.Helper()
	t.Parallel()
	named.Add(1)
	w = newWorld(t, fmt.Sprintf("paused-%d", time.Now().UnixNano()))
	p := NewProxy(t, cp)
	w.guard(p)
	leader = w.manager(p, w.electing()...)
	w.awaitElected(leader, scenario.Patience)
	next = w.manager(p, w.electing()...)
	held = w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Hold: true})
	w.object(objectName)
	w.must("the add", held.Wait(w.within(), 1))
	leader.Signal(t, syscall.SIGSTOP)
	w.Expect(next.Log()).NotTo(gomega.ContainSubstring(elected))
	return w, leader, next, held
}

// resume lets a paused leader go on, and returns when it has found out that it is none any more and has ended.
func (w *world) resume(leader *controlplane.Manager) {
	w.Helper()
	leader.Signal(w.t, syscall.SIGCONT)
	w.Expect(leader.Wait(w.t, time.Minute)).To(equal(1), "a leader that lost its lease ends with an error")
	w.Expect(leader.Log()).To(gomega.ContainSubstring("leader election lost"))
}

func TestStandbyTakesOverFromALeaderThatStopsInOrder(t *testing.T) {
	t.Parallel()
	named.Add(1)
	w := newWorld(t, fmt.Sprintf("orderly-%d", time.Now().UnixNano()))
	p := NewProxy(t, cp)
	leader := w.manager(p, w.electing()...)
	w.awaitElected(leader, scenario.Patience)
	next := w.manager(p, w.electing()...)
	ready(w)
	began := time.Now()
	leader.Signal(t, syscall.SIGTERM)
	w.Edit(objectName, func(o *scenario.Glic) { o.Spec.Domain = "apps.example.com" })
	w.AwaitReady(objectName)
	took := time.Since(began)
	w.Expect(leader.Wait(t, scenario.Patience)).To(equal(0))
	w.Expect(next.Log()).To(gomega.ContainSubstring(elected))
	t.Logf("fail-over took %s", took.Round(10*time.Millisecond))
	w.Expect(took).To(gomega.BeNumerically("<", 5*time.Second))
	w.end()
}
