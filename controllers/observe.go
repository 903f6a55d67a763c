// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// recordedOf is what the object remembers. An intent that cannot be read is an error, and missing in the result: guessing
// could add twice.
func recordedOf(obj *v1alpha1.GitLabInstanceCluster) (recorded, error) {
	in, err := parseIntent(obj.Annotations[v1alpha1.CreateIntentAnnotation])
	if err != nil {
		err = fmt.Errorf("annotation %s: %w; restore it, or remove it if GitLab has no cluster of this object",
			v1alpha1.CreateIntentAnnotation, err)
	}
	return recorded{
		ID:           obj.Status.ClusterID,
		CreatedAt:    obj.Status.ClusterCreatedAt,
		GitLabURL:    obj.Status.GitLabURL,
		TokenVersion: obj.Status.TokenSecretVersion,
		Refused:      obj.Status.RefusedAttempt,
		Intent:       in,
		Finalizer:    slices.Contains(obj.Finalizers, v1alpha1.Finalizer),
	}, err
}

// observe looks at the recorded cluster, the holders of the scope, and the other objects, through conn. A pass with an
// open intent lists anew; others are content with the mirror.
func (r *Reconciler) observe(ctx context.Context, p *pass, conn *fleet.Connection) (observed, error) {
	newerThan := p.memory.lookAfter
	if p.recorded.open() {
		newerThan = p.began
	}
	view, err := conn.View(ctx, newerThan)
	if err != nil {
		return observed{}, err
	}
	o := observed{URL: conn.URL(), HighestID: max(view.HighestID(), p.recorded.ID)}
	o.Holders = view.Holders(p.want.EnvironmentScope)
	if in := p.recorded.Intent; p.recorded.open() && in.Scope != p.want.EnvironmentScope {
		o.Holders = append(o.Holders, view.Holders(in.Scope)...)
	}
	id := p.recorded.ID
	if id == 0 {
		id = p.want.ClusterID
	}
	if id != 0 {
		if o.Cluster, err = lookUp(ctx, conn, view, id); err != nil {
			return observed{}, err
		}
	}
	if err := r.others(ctx, p, &o); err != nil {
		return observed{}, err
	}
	if p.recorded.open() {
		o.Settled = p.memory.intent.settles(p.recorded, p.want, o, view.BegunAt(), r.Options.CreateSettleTime)
	}
	return o, nil
}

// lookUp finds a cluster, or proves that it is not there: a deletion between two pages can hide a row from a list, and
// a disabled API answers 404 for every cluster. So absence is a list without it, a 404, and one more list.
func lookUp(ctx context.Context, conn *fleet.Connection, view fleet.View, id int64) (*gitlab.Cluster, error) {
	if cluster, ok := view.Cluster(id); ok {
		return &cluster, nil
	}
	cluster, err := conn.Get(ctx, id)
	if err == nil {
		return &cluster, nil
	}
	if !isKind(err, gitlab.KindNotFound) {
		return nil, err
	}
	if view, err = conn.View(ctx, time.Now()); err != nil {
		return nil, err
	}
	if cluster, ok := view.Cluster(id); ok {
		return &cluster, nil
	}
	conn.Gone(id)
	return nil, nil
}

// settles reports whether the open intent's cluster will not come any more: two complete lists lack it, and the second
// began after GitLab had the settle time to commit it. It notes what the list that began at listBegun adds to that.
func (known *intentMemory) settles(rec recorded, w want, o observed, listBegun time.Time, settleTime time.Duration) bool {
	switch {
	case known.settled:
		return true
	case o.URL != rec.Intent.GitLabURL:
		return false
	case slices.ContainsFunc(o.Holders, func(c gitlab.Cluster) bool {
		_, owned := o.Owners[c.ID]
		return !owned && rec.Intent.made(c, w.Attributes)
	}):
		return false
	case known.absentAt.IsZero():
		known.absentAt = listBegun
		return false
	}
	known.settled = listBegun.After(known.absentAt) && !listBegun.Before(known.since.Add(settleTime))
	return known.settled
}

// others finds the objects that have recorded clusters of this GitLab, and the one that comes before this object in
// wanting the scope.
func (r *Reconciler) others(ctx context.Context, p *pass, o *observed) error {
	o.Owners = map[int64]owner{}
	ids := []int64{p.recorded.ID, p.want.ClusterID}
	for _, cluster := range o.Holders {
		ids = append(ids, cluster.ID)
	}
	for _, id := range ids {
		if id == 0 {
			continue
		}
		if err := r.ownerOf(ctx, p.obj, clusterKey{o.URL, id}, o.Owners); err != nil {
			return err
		}
	}
	var first *v1alpha1.GitLabInstanceCluster
	for _, name := range r.index.wantingScope(scopeKey{o.URL, p.want.EnvironmentScope}) {
		rival, err := r.other(ctx, p.obj, name)
		if err != nil {
			return err
		}
		if rival == nil || rival.Status.ClusterID != 0 || !rival.DeletionTimestamp.IsZero() || !before(rival, p.obj) {
			continue
		}
		w := wantOf(rival)
		if w.GitLabURL == o.URL && w.EnvironmentScope == p.want.EnvironmentScope && (first == nil || before(rival, first)) {
			first = rival
		}
	}
	if first != nil {
		o.Rival = nameOf(first).String()
	}
	return nil
}

// ownerOf notes the other object that has recorded the cluster, if there is one. The first by age wins.
func (r *Reconciler) ownerOf(ctx context.Context, obj *v1alpha1.GitLabInstanceCluster, key clusterKey, owners map[int64]owner) error {
	for _, name := range r.index.withCluster(key) {
		other, err := r.other(ctx, obj, name)
		if err != nil {
			return err
		}
		if other == nil || other.Status.ClusterID != key.id || other.Status.GitLabURL != key.gitLabURL {
			continue // an object that only names the cluster in spec.clusterID has no right to it
		}
		if known, ok := owners[key.id]; !ok || !known.First {
			owners[key.id] = owner{Name: name.String(), First: before(other, obj)}
		}
	}
	if _, ok := owners[key.id]; !ok {
		if uid := r.memory.owner(key); uid != "" && uid != obj.UID {
			owners[key.id] = owner{Name: "(just recorded)", First: true}
		}
	}
	return nil
}

// other is the cache's copy of an object, not to be changed; nil if it is gone or obj itself.
func (r *Reconciler) other(ctx context.Context, obj *v1alpha1.GitLabInstanceCluster, name types.NamespacedName) (*v1alpha1.GitLabInstanceCluster, error) {
	if name == nameOf(obj) {
		return nil, nil
	}
	other := &v1alpha1.GitLabInstanceCluster{}
	if err := r.Client.Get(ctx, name, other, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read object %s: %w", name, err)
	}
	return other, nil
}

// before orders objects that want the same: the older first, then by UID.
func before(a, b *v1alpha1.GitLabInstanceCluster) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return strings.Compare(string(a.UID), string(b.UID)) < 0
}

func nameOf(obj client.Object) types.NamespacedName { return client.ObjectKeyFromObject(obj) }

func isKind(err error, kind gitlab.Kind) bool {
	var e *gitlab.Error
	return errors.As(err, &e) && e.Kind == kind
}
