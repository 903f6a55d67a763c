// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// Requests are the requests to GitLab since the last ForgetRequests, as "POST add 201".
func (w *World) Requests() []string {
	var requests []string
	for _, e := range w.GitLab.Journal() {
		requests = append(requests, fmt.Sprintf("%s %s %d", e.Method, e.Endpoint, e.Status))
	}
	return requests
}

// Writes are the requests that wanted to change something in GitLab since the last ForgetRequests.
func (w *World) Writes() []string {
	var requests []string
	for _, e := range w.GitLab.Writes() {
		requests = append(requests, fmt.Sprintf("%s %s %d", e.Method, e.Endpoint, e.Status))
	}
	return requests
}

// LastBody is the body of the last write to GitLab.
func (w *World) LastBody() string {
	w.Helper()
	writes := w.GitLab.Writes()
	w.Expect(writes).NotTo(gomega.BeEmpty())
	return string(writes[len(writes)-1].Body)
}

// ForgetRequests begins a new count, of requests to GitLab and of writes to Kubernetes. A write that shows already is of
// the count before, although the API server may log its end only now.
func (w *World) ForgetRequests() {
	w.Helper()
	w.KubernetesWrites()
	w.GitLab.ResetJournal()
	w.CountKubernetesWrites()
}

// CountKubernetesWrites begins a new count of writes to Kubernetes alone; the journal of GitLab stays whole.
func (w *World) CountKubernetesWrites() { w.mark = w.CP.Audit.Now(w) }

// KubernetesWrites is what the manager wrote to objects of this world since the last ForgetRequests, events and leases
// apart.
func (w *World) KubernetesWrites() []string {
	var writes []string
	for _, r := range w.CP.Audit.Writes(w, w.mark, controlplane.ManagerUser) {
		if r.Namespace == w.Namespace {
			writes = append(writes, r.String())
		}
	}
	return writes
}

// CheckInvariants checks what holds at the end of every scenario: no object has two clusters, every condition set is as
// kstatus wants it, and no secret shows anywhere. The managers are those whose logs and metrics are searched.
func (w *World) CheckInvariants(managers ...*controlplane.Manager) {
	w.Helper()
	scopes := map[string]int64{}
	for _, cluster := range w.GitLab.Clusters() {
		other, double := scopes[cluster.EnvironmentScope]
		w.Expect(double).To(gomega.BeFalse(), "clusters %d and %d have the scope %q", other, cluster.ID, cluster.EnvironmentScope)
		scopes[cluster.EnvironmentScope] = cluster.ID
	}
	var list v1alpha1.GitLabInstanceClusterList
	w.Expect(w.CP.Client.List(w.Context(), &list, client.InNamespace(w.Namespace))).To(gomega.Succeed())
	for i := range list.Items {
		w.CheckConditions(&list.Items[i])
	}
	noSecrets(w, "objects", list)
	var events eventsv1.EventList
	w.Expect(w.CP.Client.List(w.Context(), &events, client.InNamespace(w.Namespace))).To(gomega.Succeed())
	noSecrets(w, "events", events)
	for _, m := range managers {
		CheckManager(w, m)
	}
}

// CheckManager checks that neither the manager's log nor its metrics show a secret of any scenario.
func CheckManager(t controlplane.T, m *controlplane.Manager) {
	t.Helper()
	noSecrets(t, "the log", m.Log())
	noSecrets(t, "metrics", m.Metrics(t))
}

// noSecrets searches for the sentinel.
func noSecrets(t controlplane.T, where string, what any) {
	t.Helper()
	text, ok := what.(string)
	if !ok {
		out, err := yaml.Marshal(what)
		if err != nil {
			t.Fatalf("%v", err)
		}
		text = string(out)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, Sentinel) {
			t.Errorf("a secret shows in %s: %s", where, line)
		}
	}
}
