// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package scenario is the world of a test: a namespace on a real control plane, a GitLab of its own, the objects and
// Secrets in it, and what must hold at the end of every scenario.
package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// Sentinel is a part of every secret value in a scenario: no log, event, status, metric or error may show it.
const Sentinel = "sentinel"

// Patience is how long a condition may take to come true. It bounds failures, not successes.
const Patience = 60 * time.Second

// Glic is the kind under test, by its short name.
type Glic = v1alpha1.GitLabInstanceCluster

var worlds atomic.Int64

// World is one scenario's.
type World struct {
	controlplane.T
	*gomega.WithT
	CP        *controlplane.ControlPlane
	GitLab    *simulator.Simulator
	Server    *simulator.Server
	Namespace string
	// AdminToken is GitLab's, also in Secret gitlab-admin.
	AdminToken string
	// ClusterToken is the cluster's, also in Secret gitlab-sa.
	ClusterToken string

	ctx    context.Context
	number int64
	began  time.Time
	mark   controlplane.Mark
	looks  int
}

// NewWorld starts a GitLab, creates a namespace, and in it the Secrets gitlab-admin and gitlab-sa.
func NewWorld(t controlplane.T, cp *controlplane.ControlPlane, change ...func(*simulator.Options, *simulator.ServerOptions)) *World {
	t.Helper()
	w := &World{T: t, WithT: gomega.NewWithT(t), CP: cp, number: worlds.Add(1), began: time.Now()}
	w.AdminToken = fmt.Sprintf("glpat-%s-admin-%d", Sentinel, w.number)
	w.ClusterToken = fmt.Sprintf("%s-cluster-token-%d", Sentinel, w.number)
	ctx, cancel := context.WithCancel(context.Background())
	w.ctx = ctx
	t.Cleanup(cancel)
	options := simulator.Options{Token: w.AdminToken, Outbound: simulator.Outbound{AllowLocal: true}}
	var server simulator.ServerOptions
	for _, c := range change {
		c(&options, &server)
	}
	w.GitLab = simulator.New(options)
	var err error
	w.Server, err = simulator.NewServer(w.GitLab, server)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(w.Server.Close)
	w.Namespace = cp.Namespace(t)
	w.Secret("gitlab-admin", "token", w.AdminToken)
	w.Secret("gitlab-sa", "token", w.ClusterToken)
	w.mark = cp.Audit.Now(t)
	return w
}

// Context ends with the scenario.
func (w *World) Context() context.Context { return w.ctx }

// Secret creates or replaces a Secret with keys and values in turn.
func (w *World) Secret(name string, keysAndValues ...string) {
	w.Helper()
	data := map[string][]byte{}
	for i := 0; i < len(keysAndValues); i += 2 {
		data[keysAndValues[i]] = []byte(keysAndValues[i+1])
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name}, Data: data}
	err := w.CP.Client.Create(w.Context(), secret)
	if err != nil {
		var stored corev1.Secret
		w.Expect(w.CP.Client.Get(w.Context(), client.ObjectKeyFromObject(secret), &stored)).To(gomega.Succeed())
		stored.Data = data
		w.Expect(w.CP.Client.Update(w.Context(), &stored)).To(gomega.Succeed())
	}
}

// DeleteSecret deletes a Secret.
func (w *World) DeleteSecret(name string) {
	w.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name}}
	w.Expect(w.CP.Client.Delete(w.Context(), secret)).To(gomega.Succeed())
}

// New returns an object that is not created yet: what a user would write, and no more.
func (w *World) New(name string) *Glic {
	return &Glic{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name},
		Spec: v1alpha1.GitLabInstanceClusterSpec{
			GitLab: v1alpha1.GitLabConnection{URL: w.Server.URL, TokenSecretRef: v1alpha1.TokenSecretRef{Name: "gitlab-admin"}},
			Kubernetes: v1alpha1.KubernetesPlatform{APIURL: "https://k8s.example.com:6443",
				TokenSecretRef: v1alpha1.TokenSecretRef{Name: "gitlab-sa"}},
		},
	}
}

// Create creates an object, changed before by the given functions.
func (w *World) Create(name string, change ...func(*Glic)) *Glic {
	w.Helper()
	obj := w.New(name)
	for _, c := range change {
		c(obj)
	}
	w.Expect(w.CP.Client.Create(w.Context(), obj)).To(gomega.Succeed())
	return obj
}

// Get returns the stored object.
func (w *World) Get(name string) *Glic {
	w.Helper()
	obj := &Glic{}
	w.Expect(w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, obj)).To(gomega.Succeed())
	return obj
}

// Edit changes the stored object as kubectl edit would, and again if somebody else was faster.
func (w *World) Edit(name string, change func(*Glic)) {
	w.Helper()
	w.Eventually(func() error {
		obj := &Glic{}
		if err := w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, obj); err != nil {
			return err
		}
		change(obj)
		return w.CP.Client.Update(w.Context(), obj)
	}, Patience, "20ms").Should(gomega.Succeed())
}

// Delete asks for the object's deletion.
func (w *World) Delete(name string) {
	w.Helper()
	w.Expect(w.CP.Client.Delete(w.Context(), w.Get(name))).To(gomega.Succeed())
}

// AwaitGone returns when the object is gone.
func (w *World) AwaitGone(name string) {
	w.Helper()
	w.Eventually(func() error {
		return client.IgnoreNotFound(w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, &Glic{}))
	}, Patience, "20ms").Should(gomega.Succeed())
	w.Eventually(func() bool {
		err := w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, &Glic{})
		return err != nil && client.IgnoreNotFound(err) == nil
	}, Patience, "20ms").Should(gomega.BeTrue(), "the object is still there: %s", describe(w, name))
}

func describe(w *World, name string) string {
	obj := &Glic{}
	if err := w.CP.Client.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, obj); err != nil {
		return err.Error()
	}
	return Describe(obj)
}

// Describe is an object's state in a line, for failures.
func Describe(obj *Glic) string {
	var b strings.Builder
	fmt.Fprintf(&b, "generation %d, observed %d, id %d, deleting %v, finalizers %v", obj.Generation, obj.Status.ObservedGeneration,
		obj.Status.ClusterID, !obj.DeletionTimestamp.IsZero(), obj.Finalizers)
	for _, c := range obj.Status.Conditions {
		fmt.Fprintf(&b, "; %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return b.String()
}

// Await returns the object when its conditions speak of the present generation and Ready has one of the reasons.
func (w *World) Await(name string, reasons ...string) *Glic {
	w.Helper()
	var obj *Glic
	w.Eventually(func() string {
		obj = w.Get(name)
		if ready := Ready(obj); ready != nil && obj.Status.ObservedGeneration == obj.Generation {
			for _, reason := range reasons {
				if ready.Reason == reason {
					return ""
				}
			}
		}
		return Describe(obj)
	}, Patience, "20ms").Should(gomega.BeEmpty(), "waiting for %v", reasons)
	w.CheckConditions(obj)
	return obj
}

// AwaitReady returns the object when it is Ready for its present generation.
func (w *World) AwaitReady(name string) *Glic {
	w.Helper()
	return w.Await(name, v1alpha1.ReasonSynced)
}

// Ready is the object's Ready condition; nil if it has none.
func Ready(obj *Glic) *metav1.Condition {
	return meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady)
}

// CheckConditions checks what kstatus relies on: exactly one of Ready, Reconciling and Stalled is True, suspended
// objects and those that no manager has seen apart, and each condition speaks of the observed generation.
func (w *World) CheckConditions(obj *Glic) {
	w.Helper()
	var holding []string
	for _, c := range obj.Status.Conditions {
		w.Expect(c.ObservedGeneration).To(gomega.Equal(obj.Status.ObservedGeneration), "%s", c.Type)
		if c.Status == metav1.ConditionTrue {
			holding = append(holding, c.Type)
		}
	}
	want := 1
	ready := Ready(obj)
	unseen := ready == nil && obj.Status.ObservedGeneration == -1
	if unseen || ready != nil && ready.Reason == v1alpha1.ReasonSuspended {
		want = 0
	}
	w.Expect(holding).To(gomega.HaveLen(want), Describe(obj))
}

// Cluster returns GitLab's cluster of an object.
func (w *World) Cluster(obj *Glic) simulator.Cluster {
	w.Helper()
	cluster, ok := w.GitLab.Cluster(obj.Status.ClusterID)
	w.Expect(ok).To(gomega.BeTrue(), "GitLab has no cluster %d: %s", obj.Status.ClusterID, Describe(obj))
	return cluster
}
