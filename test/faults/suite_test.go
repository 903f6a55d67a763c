// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

var cp *controlplane.ControlPlane

func TestMain(m *testing.M) {
	began := time.Now()
	var err error
	if cp, err = controlplane.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := cp.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	fmt.Printf("faults: %d generated crash cases, %d other cases, %s\n", generated.Load(), named.Load(), time.Since(began).Round(time.Second))
	os.Exit(code)
}

// ownLabel says which managers an object is for, so that no test's managers touch another's objects.
const ownLabel = "faults.test/managers"

const (
	syncInterval = "2s"
	settleTime   = 2 * time.Second
)

// arguments are the managers' of a test.
func arguments(label string, more ...string) []string {
	return append([]string{"--sync-interval=" + syncInterval, "--create-settle-time=" + settleTime.String(),
		"--gitlab-timeout=20s", "--max-concurrent-reconciles=100", "--watch-label-selector=" + ownLabel + "=" + label}, more...)
}

// world is a scenario's, with a cluster in GitLab that is none of ours and must stay as it is.
type world struct {
	*scenario.World
	t       *testing.T
	label   string
	foreign int64
	seeded  simulator.Cluster
	checks  []func()
}

func newWorld(t *testing.T, label string, change ...func(*simulator.Options, *simulator.ServerOptions)) *world {
	t.Helper()
	w := &world{World: scenario.NewWorld(t, cp, change...), t: t, label: label}
	w.foreign = w.GitLab.Seed(simulator.Cluster{Name: "foreign", EnvironmentScope: "foreign/*", ProviderType: "user", Managed: true,
		NamespacePerEnvironment: true, APIURL: "https://foreign.example.com", Token: "foreign", AuthorizationType: "rbac"})
	w.seeded, _ = w.GitLab.Cluster(w.foreign)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.Story())
		}
	})
	return w
}

// object creates an object for the test's managers.
func (w *world) object(name string, change ...func(*scenario.Glic)) *scenario.Glic {
	w.Helper()
	return w.Create(name, append(change, func(o *scenario.Glic) {
		if o.Labels == nil {
			o.Labels = map[string]string{}
		}
		o.Labels[ownLabel] = w.label
	})...)
}

// within is how long a test waits for what must come.
func (w *world) within() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), scenario.Patience)
	w.Cleanup(cancel)
	return ctx
}

// must ends the test if a wait was in vain.
func (w *world) must(what string, err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("waiting for %s: %v\n%s", what, err, w.Story())
	}
}

// ours are GitLab's clusters but the foreign one.
func (w *world) ours() []simulator.Cluster {
	return slices.DeleteFunc(w.GitLab.Clusters(), func(c simulator.Cluster) bool { return c.ID == w.foreign })
}

// here matches calls to the API server for the world's object in one of its steps.
func (w *world) here(s step) func(Call) bool {
	return func(c Call) bool { return c.Namespace == w.Namespace && stepOf(c) == s }
}

// guard checks, from the moment it is called, that no finalizer is dropped while GitLab has a cluster of ours.
func (w *world) guard(p *Proxy) {
	p.OnCall(func(c Call) {
		if w.here(release)(c) && len(w.ours()) > 0 {
			w.Errorf("the finalizer is dropped while GitLab has a cluster of ours")
		}
	})
}

// check is what holds at the end of every test: the invariants of the journal and of the objects.
func (w *world) check() {
	w.Helper()
	w.never2()
	if now, there := w.GitLab.Cluster(w.foreign); !there || fmt.Sprintf("%+v", now) != fmt.Sprintf("%+v", w.seeded) {
		w.Errorf("the foreign cluster was changed")
	}
	for _, e := range w.GitLab.Writes() {
		if e.ClusterID == w.foreign {
			w.Errorf("%s %s was sent to a foreign cluster", e.Method, e.Path)
		}
	}
	w.CheckInvariants()
}

// never2 follows the journal and finds moments at which the world's object had two clusters. For a world of one object.
func (w *world) never2() {
	w.Helper()
	entries := slices.DeleteFunc(w.GitLab.Writes(), func(e simulator.Entry) bool { return !e.Committed })
	slices.SortStableFunc(entries, func(a, b simulator.Entry) int { return a.CommittedAt.Compare(b.CommittedAt) })
	live := map[int64]bool{}
	for _, e := range entries {
		switch e.Endpoint {
		case "add":
			live[e.ClusterID] = true
		case "delete":
			delete(live, e.ClusterID)
		}
		for id := range live {
			if _, there := w.GitLab.Cluster(id); !there && e.Endpoint == "add" && id != e.ClusterID {
				delete(live, id) // deleted by hand
			}
		}
		if len(live) > 1 {
			w.Errorf("at %s GitLab had %d clusters of one object", e.CommittedAt.Format("05.000"), len(live))
		}
	}
}

// noSecretIn checks the log of a manager that has ended.
func noSecretIn(t *testing.T, m *controlplane.Manager) {
	t.Helper()
	if strings.Contains(m.Log(), scenario.Sentinel) {
		t.Error("a secret shows in the log")
	}
}
