// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

const (
	// recordTime is how long the record of a finished pass may take, also when the manager is told to stop.
	recordTime = 10 * time.Second
	// recordPause lies between two tries of a record.
	recordPause = 250 * time.Millisecond
)

// finish writes what the pass came to: one status patch if the status changed, or the finalizer's removal; then the
// event, and when to look again.
func (r *Reconciler) finish(ctx context.Context, p *pass, rep report) (ctrl.Result, error) {
	recordCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	switch {
	case rep.Release:
		err := r.release(recordCtx, p)
		if errors.Is(err, errStale) {
			return r.next(p, report{Again: againNow}), nil
		}
		if err != nil {
			return ctrl.Result{}, err
		}
		r.announce(ctx, p, rep)
		r.Fleet.Release(p.user)
		return ctrl.Result{}, nil
	case rep.Silent:
		return r.next(p, rep), nil
	}
	changed, err := r.record(recordCtx, p, rep)
	if err != nil {
		r.memory.doubt(p.obj.UID) // what another manager has recorded meanwhile may not be in the cache yet
	}
	if errors.Is(err, errStale) {
		return r.next(p, report{Again: againNow}), nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if changed || rep.News != "" {
		r.announce(ctx, p, rep)
	}
	return r.next(p, rep), nil
}

// record patches the status, fenced by the resourceVersion. On a conflict it reads the object live, checks that it is
// the same object and that no other manager has recorded anything since, and repeats; while the API server is away it
// repeats as long as its context allows, because a lost id costs a search. It reports whether the reason changed.
func (r *Reconciler) record(ctx context.Context, p *pass, rep report) (changed bool, err error) {
	now := time.Now()
	for first := true; ; first = false {
		before := p.obj.DeepCopy()
		rep.apply(&p.obj.Status, p.want.Generation, now)
		if equality.Semantic.DeepEqual(before.Status, p.obj.Status) {
			return false, nil
		}
		if live, err := recordedOf(before); !first && (err != nil || live.supersedes(p.recorded)) {
			return false, errStale
		}
		changed = reasonOf(before) != reasonOf(p.obj)
		r.memory.writes(p.obj.UID)
		err = r.Client.Status().Patch(ctx, p.obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if err == nil {
			r.wrote(p, !first)
			return changed, nil
		}
		r.memory.wroteNot(p.obj.UID)
		switch {
		case apierrors.IsNotFound(err):
			return false, r.lost(ctx, p)
		case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
			return false, fmt.Errorf("write status: %w", err)
		}
		if pauseErr := pause(ctx, recordPause, apierrors.IsConflict(err)); pauseErr != nil {
			return false, fmt.Errorf("write status: %w", errors.Join(err, pauseErr))
		}
		p.obj = before
		gone, liveErr := r.readLive(ctx, p)
		if gone {
			return false, r.lost(ctx, p)
		}
		if liveErr != nil {
			log.FromContext(ctx).Info("the API server does not answer; the status is written when it does", "cause", liveErr.Error())
		}
	}
}

// lost tells that the object went, with force, before its record was written.
func (r *Reconciler) lost(ctx context.Context, p *pass) error {
	log.FromContext(ctx).Info("the object is gone; its cluster, if it has one, stays in GitLab", "clusterID", p.obj.Status.ClusterID)
	return nil
}

// pause waits for d, or not at all if at is once is set; it fails when ctx ends.
func pause(ctx context.Context, d time.Duration, atOnce bool) error {
	if atOnce {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func reasonOf(obj *v1alpha1.GitLabInstanceCluster) string {
	if ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// next says when the object is due again. All waits are jittered, so that objects that fail together do not come back
// together.
func (r *Reconciler) next(p *pass, rep report) ctrl.Result {
	if rep.Again == againBackoff {
		p.memory.failures++
	} else {
		p.memory.failures = 0
	}
	switch rep.Again {
	case againNow:
		return ctrl.Result{RequeueAfter: time.Millisecond}
	case againAfter:
		return ctrl.Result{RequeueAfter: max(rep.After, time.Millisecond)}
	case againBackoff:
		return ctrl.Result{RequeueAfter: r.untilSettled(p, backoff(p.memory.failures)), Priority: new(background)}
	case againSlow:
		return ctrl.Result{RequeueAfter: jitter(6*r.Options.SyncInterval, 0.2), Priority: new(background)}
	}
	return ctrl.Result{}
}

// untilSettled shortens a wait so that an open add is looked for as soon as absence would count.
func (r *Reconciler) untilSettled(p *pass, wait time.Duration) time.Duration {
	known := p.memory.intent
	if known.since.IsZero() || known.settled {
		return wait
	}
	if left := time.Until(known.since.Add(r.Options.CreateSettleTime)); left > 0 && left < wait {
		return left + 10*time.Millisecond
	}
	return wait
}
