// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	// t0 is when the world began.
	t0     time.Time
	seeded simulator.Cluster
	// byHand are the clusters that the test deleted in GitLab.
	byHand []int64
}

func newWorld(t *testing.T, label string, change ...func(*simulator.Options, *simulator.ServerOptions)) *world {
	t.Helper()
	w := &world{World: scenario.NewWorld(t, cp, change...), t: t, label: label, t0: time.Now()}
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

// begin is a test's world, and its manager behind a proxy of its own.
func begin(t *testing.T, args ...string) (*world, *Proxy, *controlplane.Manager) {
	t.Helper()
	t.Parallel()
	named.Add(1)
	label := "row-" + strconv.FormatInt(named.Load(), 10) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	p := NewProxy(t, cp)
	w := newWorld(t, label)
	w.guard(p)
	m := w.manager(p, args...)
	t.Cleanup(func() { noSecretIn(t, m) })
	return w, p, m
}

// manager starts one for the world's objects, behind a proxy.
func (w *world) manager(p *Proxy, args ...string) *controlplane.Manager {
	w.Helper()
	return controlplane.StartManager(w.t, p.Config(cp.ManagerConfig(w.t)), arguments(w.label, args...)...)
}

// end checks what must hold at the end of a test, and that it stays so.
func (w *world) end() {
	w.Helper()
	w.check()
	w.quiet()
}

// quiet checks that the managers have nothing more to do, neither by themselves for two sync intervals, nor when they are
// told to look again.
func (w *world) quiet() {
	w.Helper()
	w.ForgetRequests()
	w.AwaitRequests(2, "list")
	w.Expect(w.Requests()).To(gomega.HaveEach("GET list 200"))
	w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
	w.StaysQuiet()
}

// sent are the requests to GitLab that wanted to change something, by endpoint, and made those that did.
func (w *world) sent(endpoint string) (sent, made int) {
	for _, e := range w.GitLab.Writes() {
		if e.Endpoint == endpoint {
			sent++
			if e.Committed {
				made++
			}
		}
	}
	return sent, made
}

// addedOnce checks that one add was sent, and made.
func (w *world) addedOnce() {
	w.Helper()
	if sent, made := w.sent("add"); sent != 1 || made != 1 {
		w.Errorf("%d adds were sent and %d made rather than one", sent, made)
	}
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

// guard checks, from the moment it is called, that no finalizer is dropped while GitLab has the cluster of the object, or
// any if the object has recorded none.
func (w *world) guard(p *Proxy) {
	p.OnCall(func(c Call) {
		if !w.here(release)(c) {
			return
		}
		var obj scenario.Glic
		err := w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: c.Namespace, Name: c.Name}, &obj)
		_, there := w.GitLab.Cluster(obj.Status.ClusterID)
		if err == nil && (there || obj.Status.ClusterID == 0 && len(w.ours()) > 0) {
			w.Errorf("the finalizer of %s is dropped while GitLab has its cluster", c.Name)
		}
	})
}

// check is what holds at the end of every test: the invariants of the journal and of the objects.
func (w *world) check() {
	w.Helper()
	w.neverTwo()
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

// neverTwo follows the journal and finds moments at which GitLab had two clusters that were added for one scope.
func (w *world) neverTwo() {
	w.Helper()
	entries := slices.DeleteFunc(w.GitLab.Writes(), func(e simulator.Entry) bool { return !e.Committed })
	slices.SortStableFunc(entries, func(a, b simulator.Entry) int { return a.CommittedAt.Compare(b.CommittedAt) })
	live := map[string][]int64{}
	for _, e := range entries {
		if e.Endpoint == "delete" {
			for scope, ids := range live {
				live[scope] = slices.DeleteFunc(ids, func(id int64) bool { return id == e.ClusterID })
			}
		}
		if e.Endpoint != "add" {
			continue
		}
		var sent struct {
			Scope string `json:"environment_scope"`
		}
		w.Expect(json.Unmarshal(e.Body, &sent)).To(succeed)
		// What was deleted by hand is in no journal.
		ids := slices.DeleteFunc(live[sent.Scope], func(id int64) bool { return slices.Contains(w.byHand, id) })
		if live[sent.Scope] = append(ids, e.ClusterID); len(ids) > 0 {
			w.Errorf("at %s GitLab had clusters %v and %d for one scope", e.CommittedAt.Format("05.000"), ids, e.ClusterID)
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
