// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
)

// SetupWithManager watches the objects, the metadata of Secrets, and the fleet.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.memory, r.index, r.began = newMemory(), newIndex(), time.Now()
	return ctrl.NewControllerManagedBy(mgr).
		Named("gitlabinstancecluster").
		Watches(&v1alpha1.GitLabInstanceCluster{}, handler.Funcs{CreateFunc: r.came, UpdateFunc: r.changed, DeleteFunc: r.went}).
		WatchesRawSource(r.secretSource()).
		WatchesRawSource(source.Func(r.changes.start)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Options.MaxConcurrentReconciles}).
		Complete(r)
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// The three below bring the index up to date before they queue anything: an object's pass then finds all that came before
// the object in the same watch, and whoever was in its way finds it when it goes.

// came queues an object. It goes first, also among those that a starting manager finds, if its spec has not been acted
// on: a user waits for it.
func (r *Reconciler) came(_ context.Context, e event.CreateEvent, q queue) {
	obj := e.Object.(*v1alpha1.GitLabInstanceCluster)
	r.index.replace(nil, obj)
	if obj.Status.ObservedGeneration != obj.Generation {
		addTo(q, []reconcile.Request{requestFor(obj)}, 0)
		return
	}
	q.Add(requestFor(obj))
}

// changed queues an object that asks for a pass, and the objects that it stood in the way of before.
func (r *Reconciler) changed(_ context.Context, e event.UpdateEvent, q queue) {
	older, newer := e.ObjectOld.(*v1alpha1.GitLabInstanceCluster), e.ObjectNew.(*v1alpha1.GitLabInstanceCluster)
	r.index.replace(older, newer)
	if older.UID != newer.UID { // deleted and created again while nobody watched
		r.memory.disown(older.UID)
		q.Add(requestFor(newer))
		r.wakeBlocked(older, q)
		return
	}
	if r.wakes(older, newer) {
		q.Add(requestFor(newer))
	}
	before, after := wantOf(older), wantOf(newer)
	if before.GitLabURL != after.GitLabURL || before.EnvironmentScope != after.EnvironmentScope || before.Deleting != after.Deleting {
		r.wakeBlocked(older, q)
	}
}

// went queues an object for its last pass, and the objects that it stood in the way of.
func (r *Reconciler) went(_ context.Context, e event.DeleteEvent, q queue) {
	obj := e.Object.(*v1alpha1.GitLabInstanceCluster)
	r.index.replace(obj, nil)
	r.memory.disown(obj.UID) // else who is woken may find that it still has its cluster
	q.Add(requestFor(obj))
	r.wakeBlocked(obj, q)
}

// wakes reports whether an update of the object asks for a pass: a change of the spec, of what is remembered in the object
// unless the manager knows of it, but not of the conditions.
func (r *Reconciler) wakes(older, newer *v1alpha1.GitLabInstanceCluster) bool {
	if older.Generation != newer.Generation ||
		older.DeletionTimestamp.IsZero() != newer.DeletionTimestamp.IsZero() ||
		older.Annotations[v1alpha1.ReconcileAtAnnotation] != newer.Annotations[v1alpha1.ReconcileAtAnnotation] {
		return true
	}
	return (older.Annotations[v1alpha1.CreateIntentAnnotation] != newer.Annotations[v1alpha1.CreateIntentAnnotation] ||
		slices.Contains(older.Finalizers, v1alpha1.Finalizer) != slices.Contains(newer.Finalizers, v1alpha1.Finalizer) ||
		rememberedOf(older.Status) != rememberedOf(newer.Status)) && !r.memory.knows(newer.UID, newer.ResourceVersion)
}

// remembered is the part of a status that decisions depend on.
type remembered struct {
	id, refused                        int64
	createdAt, gitLabURL, tokenVersion string
}

func rememberedOf(s v1alpha1.GitLabInstanceClusterStatus) remembered {
	return remembered{s.ClusterID, s.RefusedAttempt, s.ClusterCreatedAt, s.GitLabURL, s.TokenSecretVersion}
}

// once drops repetitions: an object whose pass has begun would have another one for each.
func once(requests []reconcile.Request) []reconcile.Request {
	slices.SortFunc(requests, func(a, b reconcile.Request) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(requests)
}

func requestFor(obj client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: nameOf(obj)}
}

func requestsFor(names []types.NamespacedName) []reconcile.Request {
	requests := make([]reconcile.Request, 0, len(names))
	for _, name := range names {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// wakeBlocked wakes the objects that want what obj wanted or had.
func (r *Reconciler) wakeBlocked(obj *v1alpha1.GitLabInstanceCluster, q queue) {
	var waiting []types.NamespacedName
	for _, key := range scopeKeys(obj) {
		waiting = append(waiting, r.index.wantingScope(key)...)
	}
	for _, key := range clusterKeys(obj) {
		waiting = append(waiting, r.index.withCluster(key)...)
	}
	for _, name := range waiting {
		if name != nameOf(obj) {
			q.Add(reconcile.Request{NamespacedName: name})
		}
	}
}

// freed wakes the objects that want a scope which the pass's edit or deletion has just taken from its holder.
func (r *Reconciler) freed(p *pass, gitLabURL, scope string) {
	waiting := slices.DeleteFunc(r.index.wantingScope(scopeKey{gitLabURL, scope}),
		func(name types.NamespacedName) bool { return name == nameOf(p.obj) })
	r.changes.wake(requestsFor(waiting), 0)
}

// userOf is an object's name at the fleet.
func userOf(name types.NamespacedName, uid types.UID) string {
	return name.Namespace + "/" + name.Name + "/" + string(uid)
}

// changes brings the fleet's news to the queue.
type changes struct {
	mu    sync.Mutex
	queue queue
}

func (c *changes) start(_ context.Context, q queue) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = q
	return nil
}

// background is the priority of objects that nobody has touched: those that a starting manager finds, that fail again
// and again, whose GitLab changed, and that share a changed Secret with many others. However many they are, what users
// create and edit goes first.
const background = handler.LowPriority

func (c *changes) wake(requests []reconcile.Request, priority int) {
	c.mu.Lock()
	q := c.queue
	c.mu.Unlock()
	if q != nil {
		addTo(q, requests, priority)
	}
}

func addTo(q queue, requests []reconcile.Request, priority int) {
	pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request])
	if ok {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
		return
	}
	for _, request := range requests {
		q.Add(request)
	}
}

// Changed wakes the objects that a change in GitLab, or on the way to it, concerns.
func (r *Reconciler) Changed(change fleet.Change) {
	var concerned []types.NamespacedName // most by their id and by their scope
	for _, id := range change.IDs {
		key := clusterKey{change.URL, id}
		concerned = append(concerned, r.index.withCluster(key)...)
		concerned = append(concerned, r.memory.ownerNames(key)...) // whose record no watch has shown yet
	}
	for _, scope := range change.Scopes {
		concerned = append(concerned, r.index.wantingScope(scopeKey{change.URL, scope})...)
	}
	for _, user := range change.Users {
		if parts := strings.SplitN(user, "/", 3); len(parts) == 3 {
			concerned = append(concerned, types.NamespacedName{Namespace: parts[0], Name: parts[1]})
		}
	}
	r.changes.wake(once(requestsFor(concerned)), background)
}
