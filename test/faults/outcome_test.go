// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// outcome is where a story ended and what it took.
type outcome struct {
	// State is GitLab's cluster and the object, without what differs between two runs that are equal.
	State string
	// Sent are the writes to GitLab by endpoint; Made those of them that GitLab did.
	Sent, Made map[string]int
	// Kubernetes is the number of writes to the object.
	Kubernetes int
}

// tokenVersion is how status names the present version of the cluster's token.
func (w *world) tokenVersion() string {
	w.Helper()
	var secret corev1.Secret
	w.Expect(w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "gitlab-sa"}, &secret)).To(succeed)
	return fmt.Sprintf("%s/%s/token", secret.UID, secret.ResourceVersion)
}

// outcome is what there is now; mark is the length of the journal when the story began.
func (w *world) outcome(c crash, mark int) outcome {
	w.Helper()
	out := outcome{Sent: map[string]int{}, Made: map[string]int{}, Kubernetes: len(w.KubernetesWrites())}
	for _, e := range w.GitLab.Journal()[mark:] {
		if e.Write() {
			out.Sent[e.Endpoint]++
		}
		if e.Committed {
			out.Made[e.Endpoint]++
		}
	}
	state := map[string]any{}
	var clusters []simulator.Cluster
	for _, cluster := range w.ours() {
		state["token is current"] = cluster.Token == w.ClusterToken
		cluster.ID, cluster.Token, cluster.User = 0, "", nil
		cluster.CreatedAt, cluster.UpdatedAt = time.Time{}, time.Time{}
		clusters = append(clusters, cluster)
	}
	state["clusters"] = clusters
	if !c.gone {
		obj := w.Get(objectName)
		have := w.Cluster(obj)
		at, err := time.Parse(time.RFC3339, obj.Status.ClusterCreatedAt)
		w.Expect(err).NotTo(haveOccurred)
		state["identity"] = obj.Status.GitLabURL == w.Server.URL && at.Equal(have.CreatedAt.Truncate(time.Millisecond))
		state["version"] = obj.Status.TokenSecretVersion == w.tokenVersion()
		state["finalizers"] = obj.Finalizers
		state["refused"] = obj.Status.RefusedAttempt
		state["drifted"] = obj.Status.DriftedFields
		for _, condition := range obj.Status.Conditions {
			state[condition.Type] = fmt.Sprint(condition.Status, condition.Reason, condition.Message)
		}
	}
	text, err := yaml.Marshal(state)
	w.Expect(err).NotTo(haveOccurred)
	out.State = string(text)
	return out
}

// compare holds the outcome to the undisturbed run's: the same end, and no more writes than the fault explains.
func (out outcome) compare(w *world, want outcome, c crash) {
	w.Helper()
	w.Expect(out.State).To(equal(want.State))
	// GitLab adds once, whatever is sent: a request that came to nothing is sent again, another one never.
	if got := out.Made["add"]; got != want.Made["add"] {
		w.Errorf("GitLab added %d clusters rather than %d", got, want.Made["add"])
	}
	for endpoint, sent := range out.Sent {
		most := want.Sent[endpoint]
		switch {
		case most == 0:
		case endpoint == "add" && (c.step != intent && c.step != add || c.point == committed && c.step == add || c.point == late && c.step == add):
			// It is known, or can be found, that the first was made.
		default:
			most++
		}
		if c.death == pause && endpoint == "edit" {
			most++ // the next manager may repeat an edit, and so may the one that goes on before its cache has caught up
		}
		if sent > most {
			w.Errorf("%d requests to %s rather than at most %d", sent, endpoint, most)
		}
	}
	if most := want.Kubernetes + mostMoreWrites; out.Kubernetes > most {
		w.Errorf("%d writes to Kubernetes rather than at most %d: %q", out.Kubernetes, most, w.KubernetesWrites())
	}
}

// mostMoreWrites to Kubernetes a death may cost: that the outcome of the add is not known, the intent of the next add or
// the id of the cluster found, and the status of what was repeated.
const mostMoreWrites = 3
