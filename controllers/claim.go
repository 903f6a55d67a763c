// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// errStale means that the object is not as this pass read it: somebody wrote to it since. The pass starts over.
var errStale = errors.New("the object changed during the pass")

// claim writes the finalizer, and in if there is one, in one patch that fails if anybody has written to the object since
// it was read. So of two managers that want to add the same cluster only one gets to send the request, and GitLab
// never has a cluster of ours whose object can vanish. It writes nothing if all is there.
func (r *Reconciler) claim(ctx context.Context, p *pass, in *intent) error {
	before := p.obj.DeepCopy()
	if !slices.Contains(p.obj.Finalizers, v1alpha1.Finalizer) && p.obj.DeletionTimestamp.IsZero() {
		p.obj.Finalizers = append(p.obj.Finalizers, v1alpha1.Finalizer)
	}
	if in != nil {
		if p.obj.Annotations == nil {
			p.obj.Annotations = map[string]string{}
		}
		p.obj.Annotations[v1alpha1.CreateIntentAnnotation] = in.String()
	} else if len(p.obj.Finalizers) == len(before.Finalizers) {
		return nil
	}
	if err := r.patch(ctx, p, before); err != nil {
		return err
	}
	if in != nil {
		p.recorded.Intent = in
	}
	p.recorded.Finalizer = true
	return nil
}

// patch sends the difference between before and p.obj's metadata, fenced by the resourceVersion.
func (r *Reconciler) patch(ctx context.Context, p *pass, before *v1alpha1.GitLabInstanceCluster) error {
	status := p.obj.Status.DeepCopy() // the answer carries the stored status; the pass goes on with its own
	r.memory.writes(p.obj.UID)
	err := r.Client.Patch(ctx, p.obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	p.obj.Status = *status
	if err != nil {
		r.memory.wroteNot(p.obj.UID)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		r.memory.doubt(p.obj.UID)
		return errStale
	case err != nil:
		return fmt.Errorf("write finalizer or intent: %w", err)
	}
	r.wrote(p, false)
	return nil
}

// wrote remembers a write, and has the object looked at again if somebody else has written to it meanwhile.
func (r *Reconciler) wrote(p *pass, meanwhile bool) {
	p.obj.ManagedFields = nil // as in the cache: the next patch compares the less
	if later := r.memory.wrote(p.obj.UID, p.obj.ResourceVersion); later || meanwhile {
		r.changes.wake([]reconcile.Request{{NamespacedName: nameOf(p.obj)}}, 0)
	}
}

// release drops the finalizer; the object may vanish. On a conflict it reads the object live and tries again, unless the
// spec or what is recorded changed: then the decision to let it go no longer holds.
func (r *Reconciler) release(ctx context.Context, p *pass) error {
	for {
		before := p.obj.DeepCopy()
		p.obj.Finalizers = slices.DeleteFunc(p.obj.Finalizers, func(f string) bool { return f == v1alpha1.Finalizer })
		if len(p.obj.Finalizers) == len(before.Finalizers) {
			return nil
		}
		err := r.patch(ctx, p, before)
		if !errors.Is(err, errStale) {
			return err
		}
		if gone, err := r.readLive(ctx, p); gone || err != nil {
			return err
		}
		if live, err := recordedOf(p.obj); err != nil || live.supersedes(p.recorded) || p.obj.Generation != before.Generation {
			return errStale
		}
	}
}

// readLive replaces the pass's copy of the object by the stored one; gone if there is none with the same UID any more.
func (r *Reconciler) readLive(ctx context.Context, p *pass) (gone bool, err error) {
	live := &v1alpha1.GitLabInstanceCluster{}
	err = r.Live.Get(ctx, nameOf(p.obj), live)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read the object live: %w", err)
	case live.UID != p.obj.UID:
		return true, nil
	}
	p.obj = live
	return false, nil
}
