// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// generated counts the crash cases that ran, named the other cases.
var generated, named atomic.Int64

// TestCrash has the manager die at every point of every side effect, and compares what GitLab and Kubernetes have in the
// end, and what it took, with a run that nothing disturbed. All cases of one death are one manager's: it is brought to
// each case's point, each on an object and a GitLab of its own, and dies of all at once.
func TestCrash(t *testing.T) {
	reference := map[string]outcome{}
	for _, d := range []death{nothing, kill, terminate, pause, panics, cut} {
		t.Run(strings.ReplaceAll(string(d), " ", "_"), func(t *testing.T) { newBatch(t, d, reference).run() })
	}
}

// batch is all cases of one death.
type batch struct {
	t       *testing.T
	death   death
	label   string
	proxy   *Proxy
	points  *Points
	manager *controlplane.Manager
	// bystander has an object that no fault strikes.
	bystander *world
	reference map[string]outcome
	mu        sync.Mutex // guards reference

	// trapped counts the cases that have not sprung their traps yet; dead is closed once the manager is dead, risen
	// once the next one is ready. settled counts the cases that the next one has not finished yet; resumed is closed
	// once a paused manager goes on.
	trapped, settled     sync.WaitGroup
	dead, risen, resumed chan struct{}
}

func newBatch(t *testing.T, d death, reference map[string]outcome) *batch {
	b := &batch{t: t, death: d, label: strings.ReplaceAll(string(d), " ", "-"), reference: reference, proxy: NewProxy(t, cp),
		dead: make(chan struct{}), risen: make(chan struct{}), resumed: make(chan struct{})}
	program := controlplane.Program{}
	if d == panics {
		binary, err := PanickingManager()
		if err != nil {
			t.Fatalf("building the manager that panics: %v", err)
		}
		b.points = NewPoints(t)
		program = controlplane.Program{Path: binary, Env: []string{"FAULT_POINTS=" + b.points.URL}, Panics: true}
	}
	b.manager = program.Start(t, b.proxy.Config(cp.ManagerConfig(t)), arguments(b.label)...)
	b.bystander = newWorld(t, b.label)
	ready(b.bystander)
	b.bystander.ForgetRequests()
	return b
}

func (b *batch) run() {
	all := cases(b.death)
	var running sync.WaitGroup
	b.trapped.Add(len(all))
	b.settled.Add(len(all))
	for _, c := range all {
		running.Go(func() { b.t.Run(c.String(), func(t *testing.T) { b.runCase(t, c) }) })
	}
	b.trapped.Wait()
	before := b.manager
	b.die()
	close(b.risen)
	if b.death == pause {
		b.settled.Wait()
		before.Signal(b.t, syscall.SIGCONT)
	}
	close(b.resumed)
	running.Wait()
	b.bystander.Expect(b.bystander.Writes()).To(gomega.BeEmpty(), "an object that no fault struck was written")
	b.bystander.Expect(b.bystander.KubernetesWrites()).To(gomega.BeEmpty(), "an object that no fault struck was written")
	noSecretIn(b.t, before)
	noSecretIn(b.t, b.manager)
	if b.death == panics && !b.t.Failed() {
		want := fmt.Sprintf(`controller_runtime_reconcile_panics_total{controller="gitlabinstancecluster"} %d`, len(all))
		if !strings.Contains(b.manager.Metrics(b.t), want) {
			b.t.Errorf("the metrics lack %s", want)
		}
	}
}

// die ends the manager as the batch says, and starts the next.
func (b *batch) die() {
	switch b.death {
	case kill:
		b.manager.Kill()
		close(b.dead)
	case terminate:
		b.manager.Signal(b.t, syscall.SIGTERM)
		gomega.NewWithT(b.t).Eventually(b.manager.Log, "30s", "20ms").Should(gomega.ContainSubstring("Stopping and waiting"))
		close(b.dead)
		if code := b.manager.Wait(b.t, 45*time.Second); code != 0 {
			b.t.Errorf("the manager ended with code %d after SIGTERM", code)
		}
	case pause:
		b.manager.Signal(b.t, syscall.SIGSTOP)
		close(b.dead)
	default:
		close(b.dead)
		return
	}
	b.manager = controlplane.StartManager(b.t, b.proxy.Config(cp.ManagerConfig(b.t)), arguments(b.label)...)
}

func (b *batch) runCase(t *testing.T, c crash) {
	generated.Add(1)
	arrived, settled := sync.OnceFunc(b.trapped.Done), sync.OnceFunc(b.settled.Done)
	defer settled() // also if the case fails before
	defer arrived()
	w := newWorld(t, b.label)
	w.guard(b.proxy)
	if c.arrange != nil {
		c.arrange(w)
	}
	w.CountKubernetesWrites()
	mark := len(w.GitLab.Journal())
	set := c.set(w, b.proxy, b.points)
	t.Cleanup(set.open)
	c.trigger(w)
	w.must("the side effect", set.sprung())
	arrived()
	<-b.dead
	if c.point != late && c.death != pause {
		set.open()
	}
	<-b.risen
	if c.point == late && c.step == add {
		w.AwaitRequests(1, "list")
		set.open()
	}
	b.finish(w, c, mark)
	if c.death == pause {
		settled()
		<-b.resumed
	}
	set.open()
	b.finish(w, c, mark)
	w.check()
	if c.gone {
		// Nobody lists for an object that is gone: another object's lists tell the time.
		w.ForgetRequests()
		b.bystander.AwaitRequests(2, "list")
		w.Expect(w.Requests()).To(gomega.BeEmpty())
		return
	}
	w.quiet()
	w.check()
	w.Expect(w.ours()).To(gomega.HaveLen(1))
}

// finish waits for the story's end and compares it with the undisturbed run's.
func (b *batch) finish(w *world, c crash, mark int) {
	w.Helper()
	if c.gone {
		w.AwaitGone(objectName)
	} else {
		w.awaitEnd(c)
	}
	got := w.outcome(c, mark)
	if c.death == nothing {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reference[c.story.name] = got
		return
	}
	got.compare(w, b.reference[c.story.name], c)
}

// awaitEnd returns when the object is Ready, for what the story's trigger changed as well.
func (w *world) awaitEnd(c crash) {
	w.Helper()
	w.AwaitStatus(objectName, "the end of "+c.story.name, func(o *scenario.Glic) bool {
		ready := scenario.Ready(o)
		return ready != nil && ready.Reason == "Synced" && o.Status.ObservedGeneration == o.Generation &&
			len(w.ours()) == 1 && w.ours()[0].ID == o.Status.ClusterID && w.ours()[0].Token == w.ClusterToken &&
			o.Status.TokenSecretVersion == w.tokenVersion()
	})
}
