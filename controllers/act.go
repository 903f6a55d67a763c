// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// result is what a decision led to: the input of the report.
type result struct {
	Decision decision
	// Cluster is the cluster after the act; nil if there is none.
	Cluster *gitlab.Cluster
	// Attempt is the number of the add that was made or refused; 0 if none was.
	Attempt int64
	// Drift: an edit put back what somebody had changed in GitLab, rather than followed the spec.
	Drift bool
	// Ignored are the fields that GitLab left as they were although it accepted the edit.
	Ignored []gitlab.Field
	// Again: the add follows one whose answer was lost and of which nothing came.
	Again bool
	// Ambiguous: it is not known whether the add was made.
	Ambiguous bool
	// Hidden: GitLab refused the add's scope as taken, but has listed no cluster with it since it last did.
	Hidden bool
	// Asked is the GitLab that could not be asked for what an open intent's request made; "" if none was to be.
	Asked string
	// Err is what went wrong, a *gitlab.Error within if GitLab or the way to it was the cause.
	Err error
}

// act does what was decided: at most one write to GitLab, and before it the claim on the object.
func (r *Reconciler) act(ctx context.Context, p *pass, conn *fleet.Connection, d decision, o observed) result {
	switch d.Verb {
	case verbAdd:
		return r.add(ctx, p, conn, d, o)
	case verbEdit:
		return r.edit(ctx, p, conn, d)
	case verbDelete:
		return r.delete(ctx, p, conn, d)
	case verbAdopt, verbTake:
		// Two passes may want the same cluster before the cache shows either's record.
		if !r.memory.owns(p.obj.UID, clusterKey{conn.URL(), d.Cluster.ID}) {
			return result{Decision: refuse(v1alpha1.ReasonScopeConflict, "cluster %d was taken by another object", d.Cluster.ID)}
		}
		return result{Decision: d, Cluster: d.Cluster, Err: r.claim(ctx, p, nil)}
	}
	return result{Decision: d, Cluster: d.Cluster}
}

// add sends one POST. The claim, finalizer and intent in one fenced patch, comes right before it.
func (r *Reconciler) add(ctx context.Context, p *pass, conn *fleet.Connection, d decision, o observed) result {
	in := p.recorded.next(p.want, o)
	in.GitLabTokenSecret = p.gitLabTokenSecret
	hidden := p.scopeRefused() && p.recorded.Refused > 0 && in.Attempt == p.recorded.Refused+1
	earlier := p.recorded.open() // an attempt before this one may have been made
	var attempt int64
	cluster, err := conn.Add(ctx, p.want.Attributes, func(ctx context.Context) error {
		if err := r.claim(ctx, p, &in); err != nil {
			return err
		}
		attempt = in.Attempt
		p.memory.intent = intentMemory{attempt: in.Attempt, since: time.Now()}
		return nil
	})
	if err != nil {
		if isDuplicate(err) {
			// The holder came after the last list, or an earlier attempt was made after all: only a new list tells.
			p.memory.lookAfter = time.Now()
		}
		res := failedAdd(d, attempt, earlier, err)
		res.Hidden = hidden && isDuplicate(err)
		return res
	}
	r.memory.owns(p.obj.UID, clusterKey{conn.URL(), cluster.ID})
	res := result{Decision: d, Cluster: &cluster, Attempt: attempt, Again: earlier,
		Ignored: gitlab.Differences(p.want.Attributes, cluster)}
	p.remember(res.Ignored, cluster)
	return res
}

// scopeRefused reports whether the write before this one was refused because of its scope. This pass's list began after
// that, and showed no holder: else nothing would be written.
func (p *pass) scopeRefused() bool {
	return p.obj.Status.ObservedGeneration == p.obj.Generation && reasonOf(p.obj) == v1alpha1.ReasonScopeConflict
}

// failedAdd tells an attempt that certainly had no effect from one that may have had. That another cluster has the
// scope is an effect of our own if the outcome of an earlier attempt was never known. Attempt is 0 if nothing was sent.
func failedAdd(d decision, attempt int64, earlier bool, err error) result {
	res := result{Decision: d, Attempt: attempt, Again: earlier, Err: err}
	var refusal *gitlab.Error
	switch {
	case attempt == 0:
	case !errors.As(err, &refusal) || !refusal.Refused():
		res.Ambiguous = true
	case refusal.DuplicateScope():
		res.Ambiguous = earlier
	}
	return res
}

// edit sends one PUT with the fields of the decision.
func (r *Reconciler) edit(ctx context.Context, p *pass, conn *fleet.Connection, d decision) result {
	res := result{Decision: d, Drift: p.driftAlone(d.Fields)}
	if res.Err = r.claim(ctx, p, nil); res.Err != nil {
		return res
	}
	cluster, err := conn.Edit(ctx, d.Cluster.ID, p.want.Attributes, d.Fields)
	if err != nil {
		res.Err, res.Hidden = err, isDuplicate(err) && p.scopeRefused()
		if isKind(err, gitlab.KindNotFound) || isDuplicate(err) {
			p.memory.lookAfter = time.Now() // gone since the last list, or the API is off, or the scope taken: a list tells
		}
		return res
	}
	res.Cluster = &cluster
	res.Ignored = gitlab.Differences(p.want.Attributes, cluster)
	p.remember(res.Ignored, cluster)
	if d.Cluster.EnvironmentScope != cluster.EnvironmentScope {
		r.freed(p, conn.URL(), d.Cluster.EnvironmentScope)
	}
	return res
}

// driftAlone reports whether fields differ although neither the spec nor a Secret changed since GitLab had them.
func (p *pass) driftAlone(fields []gitlab.Field) bool {
	return p.obj.Status.ObservedGeneration == p.obj.Generation && p.recorded.TokenVersion != "" &&
		!slices.Equal(fields, []gitlab.Field{gitlab.FieldToken})
}

// remember keeps what GitLab did not take over, so that the same edit is not repeated.
func (p *pass) remember(ignored []gitlab.Field, answer gitlab.Cluster) {
	p.memory.stuck = nil
	if len(ignored) > 0 {
		p.memory.stuck = &stuck{Generation: p.want.Generation, TokenVersion: p.want.TokenVersion,
			CADigest: gitlab.CertificateDigest(p.want.CACert), Fields: ignored, Answer: answer}
	}
}

// errStillThere is a deletion that GitLab answered with success and did not make.
var errStillThere = errors.New("GitLab answered the deletion with success, but still has the cluster")

// delete sends one DELETE and proves that the cluster is gone: GitLab answers 204 whatever became of the row
// (lib/api/admin/instance_clusters.rb), so only a following 404 counts, and a 404 of the DELETE itself only with a
// list that answers.
func (r *Reconciler) delete(ctx context.Context, p *pass, conn *fleet.Connection, d decision) result {
	id := d.Cluster.ID
	err := conn.Delete(ctx, id)
	switch {
	case err == nil:
		_, err = conn.Get(ctx, id)
		if err == nil {
			return result{Decision: d, Err: errStillThere}
		}
		if isKind(err, gitlab.KindNotFound) {
			r.freed(p, conn.URL(), d.Cluster.EnvironmentScope)
			return result{Decision: d}
		}
	case isKind(err, gitlab.KindNotFound):
		view, viewErr := conn.View(ctx, time.Now())
		if viewErr != nil {
			return result{Decision: d, Err: viewErr}
		}
		if _, there := view.Cluster(id); !there {
			conn.Gone(id)
			return result{Decision: d}
		}
	}
	return result{Decision: d, Err: err}
}
