// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// messageLimit is the most characters a condition's message has.
const messageLimit = 512

// again says when the object is looked at again if nothing wakes it before.
type again string

const (
	againNever   again = ""        // an event or the mirror wakes it
	againNow     again = "now"     // the pass has more to do
	againBackoff again = "backoff" // after the object's own failures
	againSlow    again = "slow"    // six sync intervals: what is wrong is mended where no event comes from
	againAfter   again = "after"   // at a known time
)

// report is a pass's outcome: what the conditions say, what is recorded, and when the next pass is due.
type report struct {
	Ready           metav1.ConditionStatus
	Reason, Message string
	Again           again
	After           time.Duration
	// Record changes the status beside the conditions; nil for nothing.
	Record func(*v1alpha1.GitLabInstanceClusterStatus)
	// Silent: nothing is written to the object.
	Silent bool
	// Release: the finalizer goes.
	Release bool
	// News is the event to tell, "" for none.
	News, NewsMessage string
}

// reporting turns the result of an act into a report. It is a pure function.
func reporting(w want, rec recorded, res result) report {
	var busy *fleet.Busy
	switch {
	case errors.Is(res.Err, errStale):
		return report{Silent: true, Again: againNow}
	case errors.As(res.Err, &busy):
		return report{Silent: true, Again: againAfter, After: busy.After}
	}
	rep := outcome(w, rec, res)
	if w.Deleting && rep.Reason == v1alpha1.ReasonResolvingCreate && res.Err == nil {
		rep.Reason = v1alpha1.ReasonDeleting
	}
	if w.Deleting && !rep.Release && !rep.Silent && rep.Reason != v1alpha1.ReasonSuspended && rep.Reason != v1alpha1.ReasonDeleting {
		rep = blocked(rep)
	}
	rep.Message = excerpt(rep.Message, messageLimit)
	return rep
}

// blocked says of an object that is being deleted what is in the way and how to let it go.
func blocked(rep report) report {
	rep.Message = fmt.Sprintf("%s: %s. To give the object up and leave the cluster in GitLab, set spec.deletionPolicy to Orphan",
		rep.Reason, strings.TrimSuffix(excerpt(rep.Message, messageLimit-140), "."))
	rep.Reason = v1alpha1.ReasonDeletionBlocked
	return rep
}

func outcome(w want, rec recorded, res result) report {
	d := res.Decision
	switch d.Verb {
	case verbSuspend:
		return report{Ready: metav1.ConditionUnknown, Reason: v1alpha1.ReasonSuspended,
			Message: "suspended by spec.suspend: GitLab is neither asked nor changed, and deletion waits"}
	case verbRefuse:
		return waiting(d.Reason, d.Message, againSlow)
	case verbResolve:
		return waiting(v1alpha1.ReasonResolvingCreate, fmt.Sprintf("the outcome of adding the cluster at %s is not known yet; "+
			"looking for it in GitLab, nothing is added until it is known", rec.Intent.GitLabURL), againBackoff)
	case verbRelease:
		return report{Release: true}
	case verbDelete:
		return deleted(w, rec, res)
	case verbAdd:
		return added(w, rec, res)
	case verbAdopt, verbTake:
		return taken(w, rec, res)
	case verbEdit:
		return edited(w, rec, res)
	case verbReport:
		return drifted(w, rec, d)
	}
	if w.Deleting {
		return report{Silent: true}
	}
	return synced(w, rec, nil)
}

// waiting is a report that is not ready.
func waiting(reason, message string, when again) report {
	return report{Ready: metav1.ConditionFalse, Reason: reason, Message: message, Again: when}
}

func synced(w want, rec recorded, record func(*v1alpha1.GitLabInstanceClusterStatus)) report {
	return report{Ready: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced,
		Message: "GitLab has the cluster as the spec says, with the current token",
		Record: func(status *v1alpha1.GitLabInstanceClusterStatus) {
			status.DriftedFields = nil
			// The same identity at another URL is the same GitLab under a new name.
			recordURL(status, w.GitLabURL, rec.ID)
			if record != nil {
				record(status)
			}
		}}
}

func recordURL(status *v1alpha1.GitLabInstanceClusterStatus, url string, id int64) {
	status.GitLabURL = url
	status.ClusterURL = gitlab.ClusterURL(url, id)
}

func recordCluster(status *v1alpha1.GitLabInstanceClusterStatus, url string, cluster gitlab.Cluster, tokenVersion string) {
	status.ClusterID, status.ClusterCreatedAt, status.TokenSecretVersion = cluster.ID, cluster.CreatedAt, tokenVersion
	recordURL(status, url, cluster.ID)
}

// added reports an add: made, refused, or not known.
func added(w want, rec recorded, res result) report {
	switch {
	case res.Err == nil:
		rep := synced(w, recorded{ID: res.Cluster.ID}, func(status *v1alpha1.GitLabInstanceClusterStatus) {
			recordCluster(status, w.GitLabURL, *res.Cluster, w.TokenVersion)
			status.RefusedAttempt = 0
		})
		rep.News, rep.NewsMessage = "Added", fmt.Sprintf("added cluster %d to %s", res.Cluster.ID, w.GitLabURL)
		return ignored(w, res, rep)
	case res.Attempt == 0 && res.Asked != "":
		return unasked(w, res)
	case res.Attempt == 0:
		return failed(w, res.Err)
	case res.Ambiguous:
		rep := waiting(v1alpha1.ReasonResolvingCreate, "the cluster was sent to GitLab, but the answer says neither yes nor no: "+
			words(res.Err)+"; looking for it in GitLab, nothing is added until it is known", againBackoff)
		return rep
	}
	rep := failed(w, res.Err)
	if isDuplicate(res.Err) {
		rep = scopeTaken(w, res.Hidden)
	}
	rep.Record = func(status *v1alpha1.GitLabInstanceClusterStatus) { status.RefusedAttempt = res.Attempt }
	return rep
}

// unasked reports that the GitLab where an open intent's request may have made the cluster cannot be asked. What the
// user has to mend about the connection that the spec names is said as ever.
func unasked(w want, res result) report {
	elsewhere := res.Asked != w.GitLabURL
	w.GitLabURL = res.Asked
	rep := failed(w, res.Err)
	var e *gitlab.Error
	if w.Deleting || !errors.As(res.Err, &e) || v1alpha1.Stalls(rep.Reason) && !elsewhere {
		return rep
	}
	rep.Reason = v1alpha1.ReasonResolvingCreate
	rep.Message = fmt.Sprintf("a cluster may have been added at %s, which cannot be asked: %s; nothing is added until it is known",
		res.Asked, words(e))
	return rep
}

// scopeTaken reports that GitLab refused the scope of an add or edit. A management project may have each scope once among
// the clusters of all levels (unique_management_project_environment_scope in app/models/clusters/cluster.rb), and those of
// projects and groups are in no list of ours.
func scopeTaken(w want, hidden bool) report {
	if !hidden {
		// The pass that follows at once has the list that names the holder, and says it.
		return waiting(v1alpha1.ReasonScopeConflict, fmt.Sprintf("environment scope %q belongs to another cluster in GitLab",
			w.EnvironmentScope), againNow)
	}
	return waiting(v1alpha1.ReasonScopeConflict, fmt.Sprintf("%s refuses environment scope %q as taken, but lists no cluster "+
		"that has it; a project's or group's cluster with the same management project may: choose another "+
		"spec.environmentScope or spec.managementProjectID", w.GitLabURL, w.EnvironmentScope), againSlow)
}

func isDuplicate(err error) bool {
	var e *gitlab.Error
	return errors.As(err, &e) && e.DuplicateScope()
}

// taken reports that the id of a cluster goes into the status. The next pass makes the cluster equal to the spec.
func taken(w want, rec recorded, res result) report {
	if res.Err != nil {
		return failed(w, res.Err)
	}
	url, tokenVersion, news := w.GitLabURL, "", "Adopted"
	if res.Decision.Verb == verbTake {
		url, tokenVersion, news = rec.Intent.GitLabURL, rec.Intent.TokenSecretVersion, "Added"
	}
	rep := waiting(v1alpha1.ReasonResolvingCreate, fmt.Sprintf("cluster %d is this object's; comparing it with the spec",
		res.Cluster.ID), againNow)
	rep.Record = func(status *v1alpha1.GitLabInstanceClusterStatus) {
		recordCluster(status, url, *res.Cluster, tokenVersion)
		if res.Decision.Verb == verbAdopt && rec.open() {
			status.RefusedAttempt = rec.Intent.Attempt // nothing came of it: it is not asked about any more
		}
	}
	rep.News, rep.NewsMessage = news, fmt.Sprintf("took cluster %d at %s", res.Cluster.ID, url)
	return rep
}

func edited(w want, rec recorded, res result) report {
	switch {
	case isDuplicate(res.Err):
		return scopeTaken(w, res.Hidden)
	case res.Err != nil:
		return failed(w, res.Err)
	}
	rep := synced(w, rec, func(status *v1alpha1.GitLabInstanceClusterStatus) { status.TokenSecretVersion = w.TokenVersion })
	fields := strings.Join(specPaths(res.Decision.Fields), ", ")
	rep.News, rep.NewsMessage = "Edited", fmt.Sprintf("edited cluster %d: %s", rec.ID, fields)
	if res.Drift {
		rep.News, rep.NewsMessage = "DriftCorrected", fmt.Sprintf("put back what was changed in GitLab on cluster %d: %s", rec.ID, fields)
	}
	return ignored(w, res, rep)
}

// ignored turns a success into a refusal if GitLab kept values of its own.
func ignored(w want, res result, rep report) report {
	if len(res.Ignored) == 0 {
		return rep
	}
	rep.Ready, rep.Reason, rep.Message = metav1.ConditionFalse, v1alpha1.ReasonRejectedByGitLab, ignoredMessage(res.Ignored)
	rep.Again = againSlow
	return rep
}

func drifted(w want, rec recorded, d decision) report {
	rep := synced(w, rec, func(status *v1alpha1.GitLabInstanceClusterStatus) { status.DriftedFields = specPaths(d.Fields) })
	rep.Reason = v1alpha1.ReasonDrifted
	rep.Message = "GitLab differs from the spec in " + strings.Join(specPaths(d.Fields), ", ") +
		"; left as it is by spec.driftPolicy Report"
	return rep
}

func deleted(w want, rec recorded, res result) report {
	switch {
	case errors.Is(res.Err, errStillThere):
		return waiting(v1alpha1.ReasonDeleting, errStillThere.Error()+"; deleting it again", againBackoff)
	case res.Err != nil:
		return failed(w, res.Err)
	}
	return report{Release: true, News: "Deleted", NewsMessage: fmt.Sprintf("deleted cluster %d from %s", rec.ID, w.GitLabURL)}
}

// apply makes the status say what the report says; now is the time of a condition that changes.
func (rep report) apply(status *v1alpha1.GitLabInstanceClusterStatus, generation int64, now time.Time) {
	if rep.Record != nil {
		rep.Record(status)
	}
	status.ObservedGeneration = generation
	set := func(kind string, value metav1.ConditionStatus) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: value, Reason: rep.Reason,
			Message: rep.Message, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now)})
	}
	set(v1alpha1.ConditionReady, rep.Ready)
	stalled := rep.Ready == metav1.ConditionFalse && v1alpha1.Stalls(rep.Reason)
	for kind, holds := range map[string]bool{
		v1alpha1.ConditionReconciling: rep.Ready == metav1.ConditionFalse && !stalled,
		v1alpha1.ConditionStalled:     stalled,
	} {
		if holds {
			set(kind, metav1.ConditionTrue)
		} else {
			meta.RemoveStatusCondition(&status.Conditions, kind)
		}
	}
}
