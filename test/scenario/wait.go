// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// AwaitRequests returns when n requests of an endpoint that began after the call have ended, and returns the last.
func (w *World) AwaitRequests(n int, endpoint string) simulator.Entry {
	w.Helper()
	var after int64
	if journal := w.GitLab.Journal(); len(journal) > 0 {
		after = journal[len(journal)-1].Seq
	}
	var last simulator.Entry
	w.Eventually(func() int {
		ended := 0
		for _, e := range w.GitLab.Journal() {
			if e.Seq > after && e.Endpoint == endpoint && !e.Ended.IsZero() && ended < n {
				ended++
				last = e
			}
		}
		return ended
	}, Patience, "20ms").Should(gomega.Equal(n), "waiting for %d requests to %s", n, endpoint)
	return last
}

// StaysQuiet checks that the manager has nothing more to do: told twice to look at every object and at GitLab anew, it
// asks for nothing but the list and writes nothing to Kubernetes.
func (w *World) StaysQuiet() {
	w.Helper()
	w.StaysAs()
	w.Expect(w.Requests()).To(gomega.HaveEach("GET list 200"))
}

// StaysAs checks that the manager, told twice to look at every object and at GitLab anew, writes nothing to either.
func (w *World) StaysAs() {
	w.Helper()
	w.ForgetRequests()
	for range 2 {
		w.LookAgain()
	}
	w.Expect(w.Writes()).To(gomega.BeEmpty())
	w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
}

// LookAgain has every object looked at, and returns when GitLab was listed for that. An earlier pass over the objects
// has ended then.
func (w *World) LookAgain() {
	w.Helper()
	var list v1alpha1.GitLabInstanceClusterList
	w.Expect(w.CP.Client.List(w.Context(), &list, client.InNamespace(w.Namespace))).To(gomega.Succeed())
	w.Expect(list.Items).NotTo(gomega.BeEmpty())
	w.looks++
	for i := range list.Items {
		w.Edit(list.Items[i].Name, func(o *Glic) {
			if o.Annotations == nil {
				o.Annotations = map[string]string{}
			}
			o.Annotations[v1alpha1.ReconcileAtAnnotation] = strconv.Itoa(w.looks)
		})
	}
	w.AwaitRequests(1, "list")
}

// AwaitStatus returns the object when it satisfies the condition.
func (w *World) AwaitStatus(name, what string, holds func(*Glic) bool) *Glic {
	w.Helper()
	var obj *Glic
	w.Eventually(func() string {
		if obj = w.Get(name); holds(obj) {
			return ""
		}
		return Describe(obj)
	}, Patience, "20ms").Should(gomega.BeEmpty(), "waiting for %s", what)
	return obj
}

// Message is the message of the object's Ready condition.
func (w *World) Message(name string) string {
	w.Helper()
	ready := Ready(w.Get(name))
	w.Expect(ready).NotTo(gomega.BeNil())
	return ready.Message
}

// Events are the namespace's, as "Normal Added production: note", in no order.
func (w *World) Events() []string {
	w.Helper()
	var list eventsv1.EventList
	w.Expect(w.CP.Client.List(w.Context(), &list, client.InNamespace(w.Namespace))).To(gomega.Succeed())
	var events []string
	for _, e := range list.Items {
		events = append(events, fmt.Sprintf("%s %s %s: %s", e.Type, e.Reason, e.Regarding.Name, e.Note))
	}
	return events
}

// AwaitEvent returns when an event with this reason tells of the object, with all of the given texts.
func (w *World) AwaitEvent(name, reason string, texts ...string) {
	w.Helper()
	start := " " + reason + " " + name + ": "
	w.Eventually(w.Events, Patience, "50ms").Should(gomega.ContainElement(gomega.Satisfy(func(event string) bool {
		return strings.Contains(event, start) && containsAll(event, texts)
	})), "waiting for event %s with %q", reason, texts)
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// HasFinalizer reports whether the object is held until its cluster is deleted.
func HasFinalizer(obj *Glic) bool {
	for _, f := range obj.Finalizers {
		if f == v1alpha1.Finalizer {
			return true
		}
	}
	return false
}

// ReleaseAll deletes every object and leaves GitLab as it is, which must work in any state: the objects' manager, or the
// one that labels without the given key give them to, lets them go.
func (w *World) ReleaseAll(label string) {
	w.Helper()
	var list v1alpha1.GitLabInstanceClusterList
	w.Expect(w.CP.Client.List(w.Context(), &list, client.InNamespace(w.Namespace))).To(gomega.Succeed())
	for i := range list.Items {
		obj := &list.Items[i]
		w.Eventually(func() error {
			if err := w.CP.Client.Get(w.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
				return client.IgnoreNotFound(err)
			}
			obj.Spec.DeletionPolicy = v1alpha1.DeletionOrphan
			delete(obj.Labels, label)
			return client.IgnoreNotFound(w.CP.Client.Update(w.Context(), obj))
		}, Patience, "20ms").Should(gomega.Succeed())
		w.Expect(client.IgnoreNotFound(w.CP.Client.Delete(w.Context(), obj))).To(gomega.Succeed())
	}
	for i := range list.Items {
		w.AwaitGone(list.Items[i].Name)
	}
}

// Story is what happened, for the report of a failure.
func (w *World) Story() string {
	var b strings.Builder
	var list v1alpha1.GitLabInstanceClusterList
	if err := w.CP.Client.List(w.Context(), &list, client.InNamespace(w.Namespace)); err != nil {
		fmt.Fprintln(&b, err)
	}
	for i := range list.Items {
		fmt.Fprintf(&b, "%s: %s\n", list.Items[i].Name, Describe(&list.Items[i]))
	}
	for _, e := range w.GitLab.Journal() {
		fmt.Fprintf(&b, "%s %s %s %d\n", e.Began.Format("05.000"), e.Method, e.Path, e.Status)
	}
	return b.String()
}
