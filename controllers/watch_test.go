// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
)

const watchedURL = "https://gitlab.example.com"

func queueOf(t *testing.T) queue {
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(q.ShutDown)
	return q
}

func watching(t *testing.T) (*Reconciler, queue) {
	t.Helper()
	r, q := &Reconciler{memory: newMemory(), index: newIndex()}, queueOf(t)
	if err := r.changes.start(context.Background(), q); err != nil {
		t.Fatal(err)
	}
	return r, q
}

func watched(name, scope string) *v1alpha1.GitLabInstanceCluster {
	obj := &v1alpha1.GitLabInstanceCluster{}
	obj.Namespace, obj.Name, obj.UID = "ns", name, types.UID(name)
	obj.Spec.GitLab.URL, obj.Spec.EnvironmentScope = watchedURL, scope
	return obj
}

// queued empties the queue.
func queued(q queue) map[string]bool {
	names := map[string]bool{}
	for q.Len() > 0 {
		request, _ := q.Get()
		names[request.Name] = true
		q.Done(request)
	}
	return names
}

func TestChangeInGitLabWakesTheObjectWhoseRecordNoWatchHasShownYet(t *testing.T) {
	r, q := watching(t)
	r.memory.of(types.NamespacedName{Namespace: "ns", Name: "one"}, "uid")
	r.memory.owns("uid", clusterKey{watchedURL, 5})
	r.Changed(fleet.Change{URL: watchedURL, IDs: []int64{4, 5}})
	if have := queued(q); len(have) != 1 || !have["one"] {
		t.Error(have)
	}
}

func TestWhoStoodInTheWayWakesThoseWhoWait(t *testing.T) {
	ctx := context.Background()
	for name, step := range map[string]func(r *Reconciler, q queue, holder *v1alpha1.GitLabInstanceCluster){
		"went": func(r *Reconciler, q queue, holder *v1alpha1.GitLabInstanceCluster) {
			r.went(ctx, event.DeleteEvent{Object: holder}, q)
		},
		"wants another scope": func(r *Reconciler, q queue, holder *v1alpha1.GitLabInstanceCluster) {
			edited := holder.DeepCopy()
			edited.Spec.EnvironmentScope, edited.Generation = "other", 2
			r.changed(ctx, event.UpdateEvent{ObjectOld: holder, ObjectNew: edited}, q)
		},
	} {
		r, q := watching(t)
		holder := watched("holder", "scope")
		for _, obj := range []*v1alpha1.GitLabInstanceCluster{holder, watched("waits", "scope"), watched("apart", "another")} {
			r.came(ctx, event.CreateEvent{Object: obj}, q)
		}
		if have := queued(q); len(have) != 3 {
			t.Errorf("%s: came %v", name, have)
		}
		step(r, q, holder)
		if have := queued(q); len(have) != 2 || !have["holder"] || !have["waits"] {
			t.Errorf("%s: %v", name, have)
		}
		if left := r.index.wantingScope(scopeKey{watchedURL, "scope"}); len(left) != 1 || left[0].Name != "waits" {
			t.Errorf("%s: %v want the scope", name, left)
		}
	}
}

func TestObjectThatWentAndCameAgainUnseenLeavesWhatItHad(t *testing.T) {
	r, q := watching(t)
	older, newer, waits := watched("one", "scope"), watched("one", "scope"), watched("waits", "scope")
	newer.UID = "again"
	for _, obj := range []*v1alpha1.GitLabInstanceCluster{older, waits} {
		r.came(context.Background(), event.CreateEvent{Object: obj}, q)
	}
	queued(q)
	r.memory.of(nameOf(older), older.UID)
	r.memory.owns(older.UID, clusterKey{watchedURL, 5})
	r.changed(context.Background(), event.UpdateEvent{ObjectOld: older, ObjectNew: newer}, q)
	if have := queued(q); len(have) != 2 {
		t.Error(have)
	}
	if !r.memory.owns(waits.UID, clusterKey{watchedURL, 5}) {
		t.Error("who went still has its cluster")
	}
}
