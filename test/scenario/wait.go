// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
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

// StaysQuiet checks that the manager has nothing more to do: until GitLab has been listed twice more it asks for nothing
// else and writes nothing to Kubernetes.
func (w *World) StaysQuiet() {
	w.Helper()
	w.ForgetRequests()
	w.AwaitRequests(2, "list")
	w.Expect(w.Requests()).To(gomega.HaveEach("GET list 200"))
	w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
}

// StaysAs checks that the manager does not write to GitLab, nor anything to Kubernetes, until GitLab was asked n times
// more, whatever it answers.
func (w *World) StaysAs(n int) {
	w.Helper()
	w.ForgetRequests()
	w.AwaitRequests(n, "list")
	w.Expect(w.Writes()).To(gomega.BeEmpty())
	w.Expect(w.KubernetesWrites()).To(gomega.BeEmpty())
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

// AwaitEvent returns when an event with this reason tells of the object, with all of the given texts.
func (w *World) AwaitEvent(name, reason string, texts ...string) {
	w.Helper()
	var seen []string
	w.Eventually(func() bool {
		var list eventsv1.EventList
		w.Expect(w.CP.Client.List(w.Context(), &list, client.InNamespace(w.Namespace))).To(gomega.Succeed())
		seen = nil
		for _, e := range list.Items {
			seen = append(seen, fmt.Sprintf("%s %s %s: %s", e.Type, e.Reason, e.Regarding.Name, e.Note))
			if e.Reason == reason && e.Regarding.Name == name && containsAll(e.Note, texts) {
				return true
			}
		}
		return false
	}, Patience, "50ms").Should(gomega.BeTrue(), func() string {
		return fmt.Sprintf("waiting for event %s with %q among:\n%s", reason, texts, strings.Join(seen, "\n"))
	})
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
