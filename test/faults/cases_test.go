// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strings"
	"time"

	"github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// Matchers that are used all over.
var (
	succeed      = gomega.Succeed()
	haveOccurred = gomega.HaveOccurred()
	equal        = gomega.Equal
	haveLen      = gomega.HaveLen
)

// point is where in the life of a side effect the fault strikes.
type point string

const (
	undisturbed point = ""
	// before: it is not sent, or what was sent comes to nothing.
	before point = "before"
	// committed: the other side has done it, and no answer has come.
	committed point = "committed"
	// answered: the manager has the answer, and has done with it what it does before its next request.
	answered point = "answered"
	// late: what the manager sent is done only after its death, when the next manager is at work.
	late point = "late"
)

// death is what happens at the point.
type death string

const (
	nothing   death = "undisturbed"
	kill      death = "SIGKILL"
	terminate death = "SIGTERM"
	panics    death = "panic"
	// pause stops the process until another manager has finished the work; then what it sent is done, and it goes on.
	pause death = "SIGSTOP"
	cut   death = "connection lost"
)

// points are those at which a death makes a difference to the side effect.
func (d death) points(e effect) []point {
	switch d {
	case kill:
		return []point{before, committed, answered, late}
	case cut:
		return []point{before, committed}
	}
	return []point{before, committed, answered}
}

// crash is one generated case.
type crash struct {
	story
	effect
	index int
	point point
	death death
}

func (c crash) String() string {
	if c.point == undisturbed {
		return c.story.name
	}
	nth := ""
	if c.nth > 0 {
		nth = fmt.Sprintf(" %d", c.nth+1)
	}
	return strings.ReplaceAll(fmt.Sprintf("%s: %s%s %s", c.story.name, c.step, nth, c.point), " ", "_")
}

// cases are all of one death.
func cases(d death) []crash {
	var all []crash
	for _, s := range stories {
		if d == nothing {
			all = append(all, crash{story: s, death: d})
			continue
		}
		for i, e := range s.effects {
			for _, p := range d.points(e) {
				all = append(all, crash{story: s, effect: e, index: i, point: p, death: d})
			}
		}
	}
	return all
}

// trap is set for the manager at a case's point.
type trap struct {
	// sprung returns when the manager is in it.
	sprung func() error
	// open lets go of what it holds.
	open func()
}

// set sets the trap of the case.
func (c crash) set(w *world, p *Proxy, points *Points) trap {
	switch {
	case c.point == undisturbed:
		return trap{func() error { return nil }, func() {}}
	case c.death == panics:
		return c.setPanic(w, points)
	case c.point == answered && c.index == len(c.effects)-1:
		since := time.Now()
		return trap{func() error { return p.WaitAnswered(w.within(), c.nth+1, since, w.here(c.step)) }, func() {}}
	case c.point == answered && c.step == remove:
		// The proof that the cluster is gone comes before the next side effect.
		in := w.GitLab.Inject(simulator.Fault{Endpoint: "get", Times: 1, Hold: true})
		return trap{func() error { return in.Wait(w.within(), 1) }, in.Release}
	case c.point == answered:
		return w.trap(p, c.effects[c.index+1], before, c.death)
	}
	return w.trap(p, c.effect, c.point, c.death)
}

// trap holds a side effect at its point, or cuts its connection there.
func (w *world) trap(p *Proxy, e effect, at point, d death) trap {
	hold := d != cut
	// What a killed manager has sent before it was handled must come to nothing; a stopping manager is let finish.
	drop := d != terminate && d != pause && at != late
	if e.step.gitLab() {
		f := simulator.Fault{Endpoint: string(e.step), Skip: e.nth, Times: 1, Hold: hold}
		if at == committed {
			f.Point = simulator.AfterHandling
		}
		if drop {
			f.Drop = simulator.DropReset
		}
		in := w.GitLab.Inject(f)
		return trap{func() error { return in.Wait(w.within(), 1) }, in.Release}
	}
	f := Fault{Match: w.here(e.step), Skip: e.nth, Times: 1, Hold: hold, Drop: drop}
	if at == committed {
		f.Point = After
	}
	in := p.Inject(f)
	return trap{func() error { return in.Wait(w.within(), 1) }, in.Release}
}

// setPanic has the worker panic at the case's point.
func (c crash) setPanic(w *world, points *Points) trap {
	host := strings.TrimPrefix(w.Server.URL, "http://")
	method := map[step]string{add: "POST", edit: "PUT", remove: "DELETE"}[c.step]
	rule := points.Panic(c.nth, func(r Reached) bool {
		if r.Point != map[point]string{before: "before", committed: "committed", answered: "after"}[c.point] {
			return false
		}
		if c.step.gitLab() {
			return r.URL.Host == host && r.Method == method
		}
		return w.here(c.step)(r.Call)
	})
	return trap{func() error {
		select {
		case <-rule.Struck:
			return nil
		case <-w.within().Done():
			return w.within().Err()
		}
	}, func() {}}
}
