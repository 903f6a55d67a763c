// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package budgets

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

const (
	// never is a sync interval that no test sees the end of.
	never = "--sync-interval=1h"
	// often is the shortest that the manager takes.
	often = "--sync-interval=1s"
	// shortest is the least time between two lists with often, which the manager jitters by a tenth.
	shortest = 900 * time.Millisecond
)

// ownLabel says which fleet an object belongs to: a fleet's managers watch no other's.
const ownLabel = "budgets.test/fleet"

// patience is how long a fleet may take for what it was asked to do.
const patience = 90 * time.Second

// canary is a suspended object of each fleet: the manager sees its changes and never asks GitLab about it.
const canary = "canary"

var fleets atomic.Int64

// fleet is a number of objects in a world of their own, with at most one manager.
type fleet struct {
	*scenario.World
	n       int
	label   string
	manager *controlplane.Manager
	turn    int
}

// newFleet makes the world of n objects, and none of the objects.
func newFleet(n int, change ...func(*simulator.Options, *simulator.ServerOptions)) *fleet {
	GinkgoHelper()
	f := &fleet{World: scenario.NewWorld(GinkgoT(), cp, change...), n: n, label: fmt.Sprint(fleets.Add(1))}
	f.Secret("cluster-ca", "ca.crt", certificate())
	f.each(func(i int) { f.Secret(ownSecret(i), "token", fmt.Sprintf("%s-token-%d", scenario.Sentinel, i)) })
	f.Create(canary, f.labelled, func(o *scenario.Glic) { o.Spec.Suspend = true })
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			story := f.Story()
			AddReportEntry("the last that happened", story[max(0, len(story)-8_000):])
			if f.manager != nil {
				log := f.manager.Log()
				AddReportEntry("the end of the manager's log", log[max(0, len(log)-8_000):])
			}
		}
	})
	return f
}

func name(i int) string      { return fmt.Sprintf("object-%03d", i) }
func ownSecret(i int) string { return "token-" + name(i) }

// labelled gives an object to this fleet.
func (f *fleet) labelled(o *scenario.Glic) { o.Labels = map[string]string{ownLabel: f.label} }

// object is what the i-th object is created as.
func (f *fleet) object(i int) func(*scenario.Glic) {
	return func(o *scenario.Glic) {
		f.labelled(o)
		o.Spec.EnvironmentScope = name(i) + "/*"
		o.Spec.Kubernetes.TokenSecretRef.Name = ownSecret(i)
		o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "cluster-ca"}
	}
}

// each calls do for every object, several at a time.
func (f *fleet) each(do func(i int)) {
	GinkgoHelper()
	next := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			defer GinkgoRecover()
			for i := range next {
				do(i)
			}
		})
	}
	for i := range f.n {
		next <- i
	}
	close(next)
	workers.Wait()
}

// createAll creates the objects, changed before by the given functions.
func (f *fleet) createAll(change ...func(*scenario.Glic)) {
	GinkgoHelper()
	f.each(func(i int) { f.Create(name(i), append([]func(*scenario.Glic){f.object(i)}, change...)...) })
}

// patchAll merges a piece of JSON, with %d for the object's number if it has one, into every object.
func (f *fleet) patchAll(merge string) {
	GinkgoHelper()
	f.each(func(i int) { f.patch(name(i), strings.ReplaceAll(merge, "%d", fmt.Sprint(i))) })
}

func (f *fleet) patch(name, merge string) {
	GinkgoHelper()
	obj := &scenario.Glic{ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, Name: name}}
	Expect(f.CP.Client.Patch(f.Context(), obj, client.RawPatch(types.MergePatchType, []byte(merge)))).To(Succeed())
}

// all are the objects but the canary.
func (f *fleet) all() []scenario.Glic {
	GinkgoHelper()
	var list v1alpha1.GitLabInstanceClusterList
	Expect(f.CP.Client.List(f.Context(), &list, client.InNamespace(f.Namespace))).To(Succeed())
	objects := list.Items[:0]
	for _, o := range list.Items {
		if o.Name != canary {
			objects = append(objects, o)
		}
	}
	return objects
}

// awaitAll returns when every object is as it should be.
func (f *fleet) awaitAll(what string, holds func(*scenario.Glic) bool) {
	GinkgoHelper()
	Eventually(func() string {
		missing, example := 0, ""
		for _, o := range f.all() {
			if !holds(&o) {
				missing++
				example = o.Name + ": " + scenario.Describe(&o)
			}
		}
		if missing == 0 {
			return ""
		}
		return fmt.Sprintf("%d objects are not, for instance %s", missing, example)
	}).WithTimeout(patience).WithPolling(400*time.Millisecond).Should(BeEmpty(), "waiting for all to be %s", what)
}

// says is that the object's conditions speak of its present spec and give this reason.
func says(reason string) func(*scenario.Glic) bool {
	return func(o *scenario.Glic) bool {
		ready := scenario.Ready(o)
		return ready != nil && ready.Reason == reason && o.Status.ObservedGeneration == o.Generation
	}
}

// awaitReason returns when every object gives this reason.
func (f *fleet) awaitReason(reason string) {
	GinkgoHelper()
	f.awaitAll(reason, says(reason))
}

// awaitClusters returns when the clusters of all objects are as they should be in GitLab.
func (f *fleet) awaitClusters(what string, holds func(simulator.Cluster) bool) {
	GinkgoHelper()
	Eventually(func() int {
		n := 0
		for _, c := range f.GitLab.Clusters() {
			if strings.HasPrefix(c.Name, "object-") && holds(c) {
				n++
			}
		}
		return n
	}).WithTimeout(patience).WithPolling(50*time.Millisecond).Should(Equal(f.n), "waiting for all clusters to have %s", what)
}

// restart ends the manager, if there is one, and starts another, which ends with the spec, or with the container whose
// BeforeAll it was started in.
func (f *fleet) restart(args ...string) {
	GinkgoHelper()
	f.stop()
	f.manager = cp.StartManager(GinkgoT(), append([]string{"--watch-label-selector=" + ownLabel + "=" + f.label,
		"--gitlab-timeout=20s"}, args...)...)
}

// stop ends the manager, if there is one.
func (f *fleet) stop() {
	GinkgoHelper()
	if f.manager == nil {
		return
	}
	select {
	case <-f.manager.Exited():
	default:
		f.manager.Stop(GinkgoT())
	}
}

// settle returns when the manager has seen everything that was done before the call, and has nothing to do.
func (f *fleet) settle() {
	GinkgoHelper()
	f.turn++
	f.patch(canary, fmt.Sprintf(`{"spec":{"domain":"turn-%d.example.com"}}`, f.turn))
	f.Await(canary, v1alpha1.ReasonSuspended)
	f.awaitIdle()
}
