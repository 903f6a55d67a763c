// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// step is one side effect of a pass, as it is named in the cases.
type step string

const (
	intent    step = "intent"    // the patch that writes the create intent, and the finalizer if it is missing
	finalizer step = "finalizer" // the patch that writes the finalizer alone
	status    step = "status"    // the status patch
	release   step = "release"   // the patch that drops the finalizer
	add       step = "add"       // POST
	edit      step = "edit"      // PUT
	remove    step = "delete"    // DELETE
)

func (s step) gitLab() bool { return s == add || s == edit || s == remove }

// stepOf tells which step a call to the API server is; "" for none.
func stepOf(c Call) step {
	switch {
	case c.Resource != "gitlabinstanceclusters" || c.Method != http.MethodPatch:
		return ""
	case c.Subresource == "status":
		return status
	case strings.Contains(c.Body, v1alpha1.CreateIntentAnnotation):
		return intent
	case strings.Contains(c.Body, v1alpha1.Finalizer):
		return finalizer
	case strings.Contains(c.Body, `"finalizers"`):
		return release
	}
	return ""
}

// effect is the nth of a step in a story, from 0.
type effect struct {
	step step
	nth  int
}

// story is a change of the world that the manager answers with side effects.
type story struct {
	name string
	// arrange brings the world to where it begins; nil for an empty world.
	arrange func(*world)
	// trigger begins it.
	trigger func(*world)
	// effects are those of the undisturbed run, in their order.
	effects []effect
	// gone: it ends without the object.
	gone bool
}

const objectName = "production"

func ready(w *world) {
	w.object(objectName)
	w.AwaitReady(objectName)
}

// stories have every side effect that a pass can have.
var stories = []story{
	{
		name:    "add",
		trigger: func(w *world) { w.object(objectName) },
		effects: []effect{{intent, 0}, {add, 0}, {status, 0}},
	},
	{
		name:    "edit",
		arrange: ready,
		trigger: func(w *world) {
			w.Edit(objectName, func(o *scenario.Glic) {
				o.Spec.Domain, o.Spec.Name, o.Spec.EnvironmentScope = "apps.example.com", "renamed", "renamed/*"
			})
		},
		effects: []effect{{edit, 0}, {status, 0}},
	},
	{
		name:    "rotate",
		arrange: ready,
		trigger: func(w *world) {
			w.ClusterToken = "sentinel-rotated"
			w.Secret("gitlab-sa", "token", w.ClusterToken)
		},
		effects: []effect{{edit, 0}, {status, 0}},
	},
	{
		name:    "delete",
		arrange: ready,
		trigger: func(w *world) { w.Delete(objectName) },
		effects: []effect{{remove, 0}, {release, 0}},
		gone:    true,
	},
	{
		name: "adopt",
		trigger: func(w *world) {
			id := w.GitLab.Seed(simulator.Cluster{Name: "by hand", EnvironmentScope: "*", ProviderType: "user", Managed: true,
				NamespacePerEnvironment: true, APIURL: "https://old.example.com", Token: "old", AuthorizationType: "rbac"})
			w.object(objectName, func(o *scenario.Glic) { o.Spec.ClusterID = ptr.To(id) })
		},
		effects: []effect{{finalizer, 0}, {status, 0}, {edit, 0}, {status, 1}},
	},
	{
		name:    "add again",
		arrange: ready,
		trigger: func(w *world) {
			id := w.Get(objectName).Status.ClusterID
			w.byHand = append(w.byHand, id)
			w.Expect(w.GitLab.DeleteOutOfBand(id)).To(succeed)
		},
		effects: []effect{{intent, 0}, {add, 0}, {status, 0}},
	},
}
