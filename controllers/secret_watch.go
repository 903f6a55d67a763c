// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// secretsPatience is how long the first passes wait for the Secrets' versions: with them known, an object is looked at
// once at the start and not again for each of its Secrets.
const secretsPatience = 5 * time.Second

// secretSource wakes the users of a Secret when it changes. The controller starts without it if Kubernetes does not let
// the manager list Secrets: the objects then say so, and go on when the rule is there.
type secretSource struct{ source.SyncingSource }

func (r *Reconciler) secretSource() secretSource {
	kind := &metav1.PartialObjectMetadata{}
	kind.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return secretSource{source.Kind[client.Object](unhurried{r.Secrets}, kind, handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { r.secretChanged(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { r.secretChanged(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { r.secretChanged(e.Object, q) },
	}, predicate.ResourceVersionChangedPredicate{})}
}

// secretChanged queues the objects that name the Secret. If they are more than can be worked on at once, what users
// create and edit meanwhile goes first.
func (r *Reconciler) secretChanged(secret client.Object, q queue) {
	users := requestsFor(r.index.namingSecret(nameOf(secret)))
	if len(users) > r.Options.MaxConcurrentReconciles {
		addTo(q, users, background)
		return
	}
	for _, user := range users {
		q.Add(user)
	}
}

// WaitForSync returns when the Secrets are known, or are not after secretsPatience.
func (s secretSource) WaitForSync(ctx context.Context) error {
	known := make(chan error, 1)
	// The end of the context given to it would end the watch too.
	go func() { known <- s.SyncingSource.WaitForSync(context.WithoutCancel(ctx)) }()
	timer := time.NewTimer(secretsPatience)
	defer timer.Stop()
	select {
	case err := <-known:
		return err
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return nil
	}
}

// unhurried is a cache that hands out informers before they are synced, so that one namespace without the rule does not
// keep the Secrets of the others from being watched.
type unhurried struct{ cache.Cache }

func (u unhurried) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	return u.Cache.GetInformer(ctx, obj, append(opts, cache.BlockUntilSynced(false))...)
}

func (u unhurried) WaitForCacheSync(context.Context) bool { return true }
