// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// alias is another name of the world's GitLab.
func (w *world) alias() string { return strings.Replace(w.Server.URL, "127.0.0.1", "localhost", 1) }

// tearOut removes an object with force, as somebody does who drops finalizers by hand. The manager does not see it before
// the proxy thaws.
func (w *world) tearOut(p *Proxy, name string) {
	w.Helper()
	p.Freeze(resource)
	w.Edit(name, func(o *scenario.Glic) { o.Finalizers = nil })
	w.Expect(client.IgnoreNotFound(w.CP.Client.Delete(w.Context(), w.Get(name)))).To(succeed)
}

func TestObjectThatIsRecreatedUnderItsNameIsANewObject(t *testing.T) {
	t.Run("with the same scope", func(t *testing.T) {
		w, p, _ := begin(t)
		ready(w)
		before := w.ours()
		w.ForgetRequests()
		w.tearOut(p, objectName)
		w.object(objectName)
		p.Thaw(resource)
		obj := w.Await(objectName, v1alpha1.ReasonScopeConflict)
		w.Expect(scenario.Ready(obj).Message).To(gomega.ContainSubstring("cluster 2"))
		w.Expect(obj.Status.ClusterID).To(gomega.BeZero())
		w.Expect(w.Writes()).To(gomega.BeEmpty())
		w.Expect(w.ours()).To(equal(before))
		w.end()
	})
	t.Run("with another scope", func(t *testing.T) {
		w, p, _ := begin(t)
		ready(w)
		before := w.ours()
		w.tearOut(p, objectName)
		w.object(objectName, func(o *scenario.Glic) { o.Spec.EnvironmentScope = "other/*" })
		p.Thaw(resource)
		obj := w.AwaitReady(objectName)
		w.Expect(obj.Status.ClusterID).NotTo(equal(before[0].ID))
		w.Expect(w.ours()).To(gomega.HaveLen(2))
		w.Expect(w.ours()[0]).To(equal(before[0]))
		w.end()
	})
	t.Run("while its add is under way", func(t *testing.T) {
		w, p, _ := begin(t)
		held := w.GitLab.Inject(simulator.Fault{Endpoint: "add", Times: 1, Hold: true})
		w.object(objectName)
		w.must("the add", held.Wait(w.within(), 1))
		w.tearOut(p, objectName)
		w.object(objectName)
		p.Thaw(resource)
		held.Release()
		obj := w.Await(objectName, v1alpha1.ReasonScopeConflict)
		w.Expect(obj.Status.ClusterID).To(gomega.BeZero())
		if _, made := w.sent("add"); made != 1 {
			t.Errorf("%d clusters were added", made)
		}
		w.end()
	})
}

func TestObjectThatIsRestoredWithoutStatusFindsItsCluster(t *testing.T) {
	w, p, _ := begin(t)
	ready(w)
	backup, before := w.Get(objectName), w.ours()
	w.tearOut(p, objectName)
	w.ForgetRequests()
	w.object(objectName, func(o *scenario.Glic) {
		o.Annotations, o.Finalizers = backup.Annotations, backup.Finalizers
	})
	p.Thaw(resource)
	obj := w.AwaitReady(objectName)
	w.Expect(obj.Status.ClusterID).To(equal(backup.Status.ClusterID))
	w.Expect(w.Writes()).To(gomega.BeEmpty())
	w.Expect(w.ours()).To(equal(before))
	w.end()
}

func TestObjectThatIsRestoredWithoutStatusAfterAnEditFindsItsCluster(t *testing.T) {
	w, p, _ := begin(t)
	ready(w)
	w.Edit(objectName, func(o *scenario.Glic) { o.Spec.EnvironmentScope, o.Spec.Name = "edited/*", "edited" })
	w.AwaitReady(objectName)
	backup := w.Get(objectName)
	w.tearOut(p, objectName)
	w.ForgetRequests()
	w.object(objectName, func(o *scenario.Glic) {
		o.Spec, o.Annotations, o.Finalizers = backup.Spec, backup.Annotations, backup.Finalizers
	})
	p.Thaw(resource)
	obj := w.AwaitReady(objectName)
	w.Expect(obj.Status.ClusterID).To(equal(backup.Status.ClusterID))
	w.Expect(w.ours()).To(gomega.HaveLen(1))
	w.Expect(w.GitLab.Counts()["add"]).To(gomega.BeZero())
	w.end()
}
