// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

func TestAddThatGitLabCommitsLateIsTaken(t *testing.T) {
	w, _, _ := begin(t, "--create-settle-time=8s")
	late := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Drop: simulator.DropClose, Late: true, Hold: true})
	w.object(objectName)
	w.Await(objectName, v1alpha1.ReasonResolvingCreate)
	w.AwaitRequests(2, "list")
	late.Release()
	w.AwaitReady(objectName)
	w.addedOnce()
	w.end()
}

func TestAddThatGitLabNeverCommitsIsMadeAfterTheSettleTime(t *testing.T) {
	const settle = 6 * time.Second // longer than two retries take
	w, _, _ := begin(t, "--create-settle-time="+settle.String())
	w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Drop: simulator.DropReset})
	w.object(objectName)
	w.AwaitReady(objectName)
	adds := w.GitLab.Writes()
	w.Expect(adds).To(gomega.HaveLen(2))
	w.Expect(adds[1].Began.Sub(adds[0].Began)).To(gomega.BeNumerically(">=", settle))
	lists := 0
	for _, e := range w.GitLab.Journal() {
		if e.Endpoint == "list" && e.Seq > adds[0].Seq && e.Seq < adds[1].Seq {
			lists++
		}
	}
	w.Expect(lists).To(gomega.BeNumerically(">=", 2), "complete lists between the two adds")
	w.end()
}

// edits are made while nobody knows whether GitLab has the cluster.
var edits = map[string]func(*scenario.Glic){
	"scope":  func(o *scenario.Glic) { o.Spec.EnvironmentScope = "edited/*" },
	"name":   func(o *scenario.Glic) { o.Spec.Name = "edited" },
	"apiURL": func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://edited.example.com" },
	"all three": func(o *scenario.Glic) {
		o.Spec.EnvironmentScope, o.Spec.Name, o.Spec.Kubernetes.APIURL = "edited/*", "edited", "https://edited.example.com"
	},
}

func TestSpecThatIsEditedWhileTheAddIsUnresolved(t *testing.T) {
	for name, change := range edits {
		t.Run(name+" and GitLab had added", func(t *testing.T) {
			w, _, _ := begin(t)
			w.unresolved(true, change)
			obj := w.AwaitReady(objectName)
			w.addedOnce()
			w.Expect(w.Writes()).To(equal([]string{"POST add 0", "PUT edit 200"}))
			w.spec(obj)
			w.end()
		})
		t.Run(name+" and GitLab had not added", func(t *testing.T) {
			w, _, _ := begin(t)
			w.unresolved(false, change)
			obj := w.AwaitReady(objectName)
			w.Expect(w.Writes()).To(equal([]string{"POST add 0", "POST add 201"}))
			w.spec(obj)
			w.end()
		})
	}
}

// unresolved brings the world to an add that was lost, made or not, and a spec that was changed before anybody looked.
func (w *world) unresolved(made bool, change func(*scenario.Glic)) {
	w.Helper()
	point := simulator.BeforeHandling
	if made {
		point = simulator.AfterHandling
	}
	lost := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Point: point, Hold: true, Drop: simulator.DropReset})
	w.object(objectName)
	w.must("the add", lost.Wait(w.within(), 1))
	lists := w.GitLab.Inject(simulator.Fault{Endpoint: "list", Hold: true})
	lost.Release()
	w.Await(objectName, v1alpha1.ReasonResolvingCreate)
	w.must("the search", lists.Wait(w.within(), 1))
	w.Edit(objectName, change)
	lists.Remove()
}

// spec checks that the cluster is as the object says.
func (w *world) spec(obj *scenario.Glic) {
	w.Helper()
	have := w.Cluster(obj)
	name := obj.Spec.Name
	if name == "" {
		name = obj.Name
	}
	w.Expect([]string{have.Name, have.EnvironmentScope, have.APIURL, have.Token}).
		To(equal([]string{name, obj.Spec.EnvironmentScope, obj.Spec.Kubernetes.APIURL, w.ClusterToken}))
	w.Expect(w.ours()).To(gomega.HaveLen(1))
}

// elsewhere is a second GitLab that knows the same token.
func (w *world) elsewhere() *world {
	w.Helper()
	other := newWorld(w.t, w.label)
	other.GitLab.SetToken(simulator.Token{Value: w.AdminToken, Name: "same", User: simulator.Root(), Scopes: []string{"api", "admin_mode"}})
	return other
}

func TestGitLabURLThatIsEditedWhileTheAddIsUnresolved(t *testing.T) {
	t.Run("and GitLab had added", func(t *testing.T) {
		w, _, _ := begin(t)
		other := w.elsewhere()
		w.unresolved(true, func(o *scenario.Glic) { o.Spec.GitLab.URL = other.Server.URL })
		obj := w.Await(objectName, v1alpha1.ReasonIdentityMismatch)
		w.addedOnce()
		w.Expect(obj.Status.GitLabURL).To(equal(w.Server.URL))
		w.Expect(w.ours()[0].ID).To(equal(obj.Status.ClusterID))
		w.Expect(other.Writes()).To(gomega.BeEmpty())
		w.Edit(objectName, func(o *scenario.Glic) { o.Spec.GitLab.URL = w.Server.URL })
		w.AwaitReady(objectName)
		other.check()
		w.end()
	})
	t.Run("and GitLab had not added", func(t *testing.T) {
		w, _, _ := begin(t)
		other := w.elsewhere()
		w.unresolved(false, func(o *scenario.Glic) { o.Spec.GitLab.URL = other.Server.URL })
		obj := w.AwaitReady(objectName)
		w.Expect(w.ours()).To(gomega.BeEmpty())
		other.addedOnce()
		w.Expect(obj.Status.GitLabURL).To(equal(other.Server.URL))
		w.check()
		other.check()
		w.ForgetRequests()
		other.ForgetRequests()
		other.AwaitRequests(2, "list")
		w.Expect(other.Requests()).To(gomega.HaveEach("GET list 200"))
		w.Expect(w.Requests()).To(gomega.BeEmpty())
		w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
	})
	t.Run("and is the same GitLab by another name", func(t *testing.T) {
		w, _, _ := begin(t)
		w.unresolved(true, func(o *scenario.Glic) { o.Spec.GitLab.URL = w.alias() })
		obj := w.AwaitReady(objectName)
		w.addedOnce()
		w.Expect(obj.Status.GitLabURL).To(equal(w.alias()))
		w.end()
	})
}

func TestObjectThatIsDeletedWhileTheAddIsUnderWay(t *testing.T) {
	w, _, _ := begin(t)
	held := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Hold: true})
	w.object(objectName)
	w.must("the add", held.Wait(w.within(), 1))
	w.Delete(objectName)
	held.Release()
	w.AwaitGone(objectName)
	w.Expect(w.ours()).To(gomega.BeEmpty())
	w.Expect(w.Writes()).To(equal([]string{"POST add 201", "DELETE delete 204"}))
	w.check()
}

func TestObjectThatIsDeletedWhileTheAddIsUnresolved(t *testing.T) {
	deleted := func(w *world) { w.Delete(objectName) }
	t.Run("and GitLab had added", func(t *testing.T) {
		w, _, _ := begin(t)
		w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Point: simulator.AfterHandling, Drop: simulator.DropReset})
		w.object(objectName)
		w.Await(objectName, v1alpha1.ReasonResolvingCreate)
		deleted(w)
		w.AwaitGone(objectName)
		w.Expect(w.ours()).To(gomega.BeEmpty())
		w.addedOnce()
		w.check()
	})
	t.Run("and GitLab adds late", func(t *testing.T) {
		w, _, _ := begin(t, "--create-settle-time=5s")
		late := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Drop: simulator.DropClose, Late: true, Hold: true})
		w.object(objectName)
		w.Await(objectName, v1alpha1.ReasonResolvingCreate)
		deleted(w)
		w.Await(objectName, v1alpha1.ReasonDeleting)
		late.Release()
		w.AwaitGone(objectName)
		w.Expect(w.ours()).To(gomega.BeEmpty())
		w.addedOnce()
		w.check()
	})
	t.Run("and GitLab never adds", func(t *testing.T) {
		w, _, _ := begin(t)
		w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Drop: simulator.DropReset})
		w.object(objectName)
		w.Await(objectName, v1alpha1.ReasonResolvingCreate)
		deleted(w)
		w.AwaitGone(objectName)
		w.Expect(w.Writes()).To(equal([]string{"POST add 0"}))
		w.check()
	})
}
