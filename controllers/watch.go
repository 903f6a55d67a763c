// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
)

// Indexes of the cache.
const (
	indexSecret  = "secret"  // names of the Secrets an object reads
	indexCluster = "cluster" // clusterKey of the recorded cluster and of spec.clusterID
	indexScope   = "scope"   // scopeKey of what the spec wants
)

// SetupWithManager watches the objects, the metadata of Secrets, and the fleet.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.memory, r.began = newMemory(), time.Now()
	for name, keys := range map[string]client.IndexerFunc{indexSecret: secretNames, indexCluster: clusterKeys, indexScope: scopeKeys} {
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.GitLabInstanceCluster{}, name, keys); err != nil {
			return fmt.Errorf("index %s: %w", name, err)
		}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("gitlabinstancecluster").
		For(&v1alpha1.GitLabInstanceCluster{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: r.wakes})).
		Watches(&v1alpha1.GitLabInstanceCluster{}, handler.Funcs{CreateFunc: unseen, UpdateFunc: r.otherChanged,
			DeleteFunc: r.otherWent}).
		WatchesRawSource(r.secretSource()).
		WatchesRawSource(source.Func(r.changes.start)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Options.MaxConcurrentReconciles}).
		Complete(r)
}

func secretNames(o client.Object) []string {
	spec := o.(*v1alpha1.GitLabInstanceCluster).Spec
	names := []string{spec.GitLab.TokenSecretRef.Name, spec.Kubernetes.TokenSecretRef.Name}
	if ref := spec.GitLab.CASecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := spec.Kubernetes.CASecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func clusterKeys(o client.Object) []string {
	obj := o.(*v1alpha1.GitLabInstanceCluster)
	var keys []string
	if obj.Status.ClusterID != 0 {
		keys = append(keys, clusterKey{obj.Status.GitLabURL, obj.Status.ClusterID}.String())
	}
	if w := wantOf(obj); w.ClusterID != 0 {
		keys = append(keys, clusterKey{w.GitLabURL, w.ClusterID}.String())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func scopeKeys(o client.Object) []string {
	w := wantOf(o.(*v1alpha1.GitLabInstanceCluster))
	return []string{scopeKey(w.GitLabURL, w.EnvironmentScope)}
}

func scopeKey(gitLabURL, scope string) string { return gitLabURL + " " + scope }

// wakes reports whether an update of the object asks for a pass: a change of the spec, of what is remembered in the object
// unless the manager knows of it, but not of the conditions.
func (r *Reconciler) wakes(e event.UpdateEvent) bool {
	older, newer := e.ObjectOld.(*v1alpha1.GitLabInstanceCluster), e.ObjectNew.(*v1alpha1.GitLabInstanceCluster)
	if older.UID != newer.UID || older.Generation != newer.Generation ||
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

// usersOfSecret are the objects that name a Secret.
func (r *Reconciler) usersOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.find(ctx, client.InNamespace(secret.GetNamespace()), client.MatchingFields{indexSecret: secret.GetName()})
}

func (r *Reconciler) find(ctx context.Context, opts ...client.ListOption) []reconcile.Request {
	var list v1alpha1.GitLabInstanceClusterList
	if err := r.Client.List(ctx, &list, append(opts, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil // only when the cache is stopping
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: nameOf(&list.Items[i])})
	}
	return requests
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// unseen lets an object that a starting manager finds go first if its spec has not been acted on: a user waits for it.
func unseen(_ context.Context, e event.CreateEvent, q queue) {
	obj := e.Object.(*v1alpha1.GitLabInstanceCluster)
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok && obj.Status.ObservedGeneration != obj.Generation {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: new(0)}, reconcile.Request{NamespacedName: nameOf(obj)})
	}
}

// otherChanged wakes the objects that an object stood in the way of before it changed.
func (r *Reconciler) otherChanged(ctx context.Context, e event.UpdateEvent, q queue) {
	older, newer := wantOf(e.ObjectOld.(*v1alpha1.GitLabInstanceCluster)), wantOf(e.ObjectNew.(*v1alpha1.GitLabInstanceCluster))
	if older.GitLabURL != newer.GitLabURL || older.EnvironmentScope != newer.EnvironmentScope || older.Deleting != newer.Deleting {
		r.wakeBlocked(ctx, e.ObjectOld, q)
	}
}

func (r *Reconciler) otherWent(ctx context.Context, e event.DeleteEvent, q queue) {
	r.memory.disown(e.Object.GetUID()) // else who is woken may find that it still has its cluster
	r.wakeBlocked(ctx, e.Object, q)
}

// wakeBlocked wakes the objects that want what obj wanted or had.
func (r *Reconciler) wakeBlocked(ctx context.Context, obj client.Object, q queue) {
	var requests []reconcile.Request
	for _, key := range scopeKeys(obj) {
		requests = append(requests, r.find(ctx, client.MatchingFields{indexScope: key})...)
	}
	for _, key := range clusterKeys(obj) {
		requests = append(requests, r.find(ctx, client.MatchingFields{indexCluster: key})...)
	}
	for _, request := range requests {
		if request.NamespacedName != nameOf(obj) {
			q.Add(request)
		}
	}
}

// freed wakes the objects that want a scope which the pass's edit or deletion has just taken from its holder.
func (r *Reconciler) freed(ctx context.Context, p *pass, gitLabURL, scope string) {
	waiting := slices.DeleteFunc(r.find(ctx, client.MatchingFields{indexScope: scopeKey(gitLabURL, scope)}),
		func(request reconcile.Request) bool { return request.NamespacedName == nameOf(p.obj) })
	r.changes.wake(waiting, 0)
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
// and again, and whose GitLab changed. However many they are, what users create and edit goes first.
const background = handler.LowPriority

func (c *changes) wake(requests []reconcile.Request, priority int) {
	c.mu.Lock()
	q := c.queue
	c.mu.Unlock()
	if q == nil {
		return
	}
	for _, request := range requests {
		if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
		} else {
			q.Add(request)
		}
	}
}

// Changed wakes the objects that a change in GitLab, or on the way to it, concerns.
func (r *Reconciler) Changed(change fleet.Change) {
	ctx := context.Background()
	var concerned []reconcile.Request // most by their id and by their scope
	for _, id := range change.IDs {
		concerned = append(concerned, r.find(ctx, client.MatchingFields{indexCluster: clusterKey{change.URL, id}.String()})...)
	}
	for _, scope := range change.Scopes {
		concerned = append(concerned, r.find(ctx, client.MatchingFields{indexScope: scopeKey(change.URL, scope)})...)
	}
	for _, user := range change.Users {
		if parts := strings.SplitN(user, "/", 3); len(parts) == 3 {
			concerned = append(concerned, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: parts[0], Name: parts[1]}})
		}
	}
	r.changes.wake(once(concerned), background)
}
