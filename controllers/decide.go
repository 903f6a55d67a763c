// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// providerUser is GitLab's provider_type of clusters that were added by URL and token; all others are partly
// read-only (app/models/clusters/cluster.rb).
const providerUser = "user"

// situation is all that a decision depends on.
type situation struct {
	Want     want
	Recorded recorded
	Observed observed
	// Stuck is the last edit whose answer still differed; nil if there was none since the manager started.
	Stuck *stuck
}

// want is the object's spec with its Secrets read. Without GitLab's view and the Secrets the tokens and certificates
// are empty, which matters to no rule that is reached then.
type want struct {
	gitlab.Attributes
	Generation int64
	// TokenVersion is <uid>/<resourceVersion>/<key> of the cluster's token Secret.
	TokenVersion string
	// GitLabURL is normalised.
	GitLabURL string
	// ClusterID is spec.clusterID, 0 for none.
	ClusterID int64
	Adoption  v1alpha1.AdoptionPolicy
	Deletion  v1alpha1.DeletionPolicy
	Drift     v1alpha1.DriftPolicy
	Suspended bool
	Deleting  bool
}

// recorded is what the object remembers.
type recorded struct {
	// ID is 0 while GitLab has given none.
	ID           int64
	CreatedAt    string
	GitLabURL    string
	TokenVersion string
	// Refused is the attempt that GitLab definitely refused.
	Refused   int64
	Intent    *intent
	Finalizer bool
}

// observed is GitLab's view, and that of the other objects.
type observed struct {
	// URL is the GitLab that was looked at: the intent's while an intent is open and not settled, else the spec's.
	URL string
	// Cluster is the recorded cluster, or while none is recorded the one that spec.clusterID names; nil means that its
	// absence is proven.
	Cluster *gitlab.Cluster
	// Holders are the clusters with the wanted scope, and while an intent is open those with the intent's, by id.
	Holders []gitlab.Cluster
	// HighestID is the highest id GitLab has shown.
	HighestID int64
	// Owners are the other objects that have recorded an id on this GitLab.
	Owners map[int64]owner
	// Rival is the object without an id that wants the same scope and comes first; "" if none does.
	Rival string
	// Settled: what an open intent's request has not made by now it never will.
	Settled bool
}

// owner is another object that has recorded an id.
type owner struct {
	// Name is namespace/name.
	Name string
	// First: it comes before this object, by creationTimestamp and then UID.
	First bool
}

// stuck is an edit that GitLab answered with success but did not make.
type stuck struct {
	Generation   int64
	TokenVersion string
	CADigest     string
	Fields       []gitlab.Field
	// Answer is the cluster as the edit's answer showed it.
	Answer gitlab.Cluster
}

// verb is what a pass does. Of these, add, edit and delete write to GitLab.
type verb string

const (
	verbAdd     verb = "add"
	verbEdit    verb = "edit"
	verbDelete  verb = "delete"
	verbAdopt   verb = "adopt"   // record the id of a cluster that was there before
	verbTake    verb = "take"    // record the id of the cluster that an open intent made
	verbResolve verb = "resolve" // look again whether an open intent made a cluster
	verbRelease verb = "release" // drop the finalizer
	verbReport  verb = "report"  // list the differences
	verbNothing verb = "nothing"
	verbRefuse  verb = "refuse"
	verbSuspend verb = "suspend"
)

// decision is what to do, to which cluster, and why not more.
type decision struct {
	Verb verb
	// Cluster is the object of edit, delete, adopt and take.
	Cluster *gitlab.Cluster
	// Fields are those to edit, or those that differ.
	Fields []gitlab.Field
	// Reason and Message say why a decision refuses.
	Reason, Message string
}

func refuse(reason, format string, args ...any) decision {
	return decision{Verb: verbRefuse, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// open reports whether the outcome of the recorded intent is not known: it was not refused, and no cluster that came
// after it is recorded.
func (r recorded) open() bool {
	return r.Intent != nil && r.Intent.Attempt != r.Refused && (r.ID == 0 || r.ID <= r.Intent.HighestID)
}

// asked is the URL of the GitLab to look at: the one that an open intent's request went to, until it is settled.
func (r recorded) asked(w want, settled bool) string {
	if r.open() && !settled {
		return r.Intent.GitLabURL
	}
	return w.GitLabURL
}

// supersedes reports whether another manager has added or recorded a cluster since then. What a pass that began with
// then has found out is of the past: recorded now, it could hide the newer cluster.
func (r recorded) supersedes(then recorded) bool {
	attempt := func(r recorded) int64 {
		if r.Intent == nil {
			return 0
		}
		return r.Intent.Attempt
	}
	return r.ID != then.ID || attempt(r) != attempt(then)
}

// decideAlone decides what needs neither GitLab nor a Secret; ok is false if the decision needs them.
func decideAlone(s situation) (d decision, ok bool) {
	nothingAdded := s.Recorded.ID == 0 && !s.Recorded.open()
	switch {
	case s.Want.Deleting && !s.Recorded.Finalizer:
		return decision{Verb: verbNothing}, true
	case s.Want.Deleting && (s.Want.Deletion == v1alpha1.DeletionOrphan || nothingAdded):
		return decision{Verb: verbRelease}, true
	case s.Want.Suspended:
		return decision{Verb: verbSuspend}, true
	}
	return decision{}, false
}

// decide says what one pass does. It is a pure function: every rule on when GitLab is written to stands here.
func decide(s situation) decision {
	if d, ok := decideAlone(s); ok {
		return d
	}
	switch {
	case s.Recorded.open():
		return resolveIntent(s)
	case s.Want.Deleting:
		return remove(s)
	case s.Recorded.ID != 0:
		return keep(s)
	default:
		return acquire(s)
	}
}

// resolveIntent decides while it is not known whether an add was made. Nothing is added until that is known.
func resolveIntent(s situation) decision {
	var foreign *gitlab.Cluster
	for _, cluster := range s.Observed.Holders {
		_, owned := s.Observed.Owners[cluster.ID]
		switch {
		case !owned && s.Observed.URL == s.Recorded.Intent.GitLabURL && s.Recorded.Intent.made(cluster, s.Want.Attributes):
			return decision{Verb: verbTake, Cluster: &cluster}
		case foreign == nil && cluster.ID != s.Recorded.ID && cluster.EnvironmentScope == s.Want.EnvironmentScope:
			foreign = &cluster
		}
	}
	atSpecURL := s.Observed.URL == s.Want.GitLabURL
	switch {
	case s.Observed.Settled && s.Want.Deleting && s.Recorded.ID == 0:
		return decision{Verb: verbRelease}
	case s.Observed.Settled && !atSpecURL:
		return decision{Verb: verbResolve} // nothing is there; what the spec's URL shows is the next pass's
	case s.Observed.Settled && s.Want.Deleting:
		return remove(s)
	case s.Observed.Settled && s.Recorded.ID != 0:
		return keep(s)
	case s.Observed.Settled:
		return acquire(s)
	case foreign != nil && atSpecURL && !s.Want.Deleting:
		return conflict(s, *foreign)
	}
	return decision{Verb: verbResolve}
}

// acquire decides for an object without a cluster: adopt one, add one, or say who is in the way.
func acquire(s situation) decision {
	if s.Want.ClusterID != 0 && s.Recorded.ID == 0 {
		if s.Observed.Cluster == nil {
			return clusterNotFound(s)
		}
		return adopt(s, *s.Observed.Cluster)
	}
	for _, cluster := range s.Observed.Holders {
		if cluster.EnvironmentScope != s.Want.EnvironmentScope {
			continue
		}
		_, owned := s.Observed.Owners[cluster.ID]
		matches := cluster.ProviderType == providerUser &&
			sameTriple(cluster, s.Want.EnvironmentScope, s.Want.Name, s.Want.APIURL)
		if s.Want.Adoption == v1alpha1.AdoptionMatching && matches && !owned && s.Observed.Rival == "" {
			return adopt(s, cluster)
		}
		return conflict(s, cluster)
	}
	if s.Observed.Rival != "" {
		return refuse(v1alpha1.ReasonScopeConflict, "environment scope %q is wanted by GitLabInstanceCluster %s as well, "+
			"which was created first; give one of the two another spec.environmentScope, or delete one",
			s.Want.EnvironmentScope, s.Observed.Rival)
	}
	return decision{Verb: verbAdd}
}

func clusterNotFound(s situation) decision {
	return refuse(v1alpha1.ReasonClusterNotFound, "spec.clusterID names cluster %d, which %s does not have; correct it, "+
		"or remove spec.clusterID to have a cluster added", s.Want.ClusterID, s.Want.GitLabURL)
}

// adopt takes over a cluster that the operator did not add, if it can be kept equal to the spec.
func adopt(s situation, cluster gitlab.Cluster) decision {
	if other, owned := s.Observed.Owners[cluster.ID]; owned {
		return refuse(v1alpha1.ReasonScopeConflict, "cluster %d belongs to GitLabInstanceCluster %s; one cluster can have "+
			"one object alone", cluster.ID, other.Name)
	}
	if d, bad := uneditable(s, cluster); bad {
		return d
	}
	return decision{Verb: verbAdopt, Cluster: &cluster}
}

// uneditable refuses a cluster that no edit can make equal to the spec.
func uneditable(s situation, cluster gitlab.Cluster) (decision, bool) {
	if cluster.ProviderType != providerUser {
		return refuse(v1alpha1.ReasonNotEditable, "cluster %d was made by GitLab on %q and cannot be edited as a whole; "+
			"name a cluster that was added by its URL and token", cluster.ID, cluster.ProviderType), true
	}
	if cluster.AuthorizationType != s.Want.AuthorizationType {
		return refuse(v1alpha1.ReasonAuthorizationTypeMismatch, "cluster %d has authorization type %q, and GitLab cannot "+
			"change it to %q; set spec.kubernetes.authorizationType to %q", cluster.ID, cluster.AuthorizationType,
			s.Want.AuthorizationType, cluster.AuthorizationType), true
	}
	return decision{}, false
}

// conflict refuses because cluster, which is not ours, has the wanted scope.
func conflict(s situation, cluster gitlab.Cluster) decision {
	if other, owned := s.Observed.Owners[cluster.ID]; owned {
		return refuse(v1alpha1.ReasonScopeConflict, "environment scope %q belongs to cluster %d of GitLabInstanceCluster %s; "+
			"give one of the two another spec.environmentScope", s.Want.EnvironmentScope, cluster.ID, other.Name)
	}
	return refuse(v1alpha1.ReasonScopeConflict, "environment scope %q belongs to cluster %d (%q), which is not managed "+
		"here; choose another spec.environmentScope, remove that cluster from GitLab, or take it over with "+
		"spec.clusterID: %d", s.Want.EnvironmentScope, cluster.ID, excerpt(cluster.Name, 60), cluster.ID)
}

// identity refuses if the recorded id does not show the recorded cluster. It is checked before every edit and delete.
func identity(s situation) (decision, bool) {
	moved := s.Recorded.GitLabURL != s.Observed.URL
	switch {
	case s.Observed.Cluster == nil && moved:
		return refuse(v1alpha1.ReasonIdentityMismatch, "%s has no cluster %d, which was added at %s; set spec.gitlab.url "+
			"back, or delete this object with deletionPolicy Orphan and create another", s.Observed.URL, s.Recorded.ID,
			s.Recorded.GitLabURL), true
	case s.Observed.Cluster != nil && !gitlab.SameInstant(s.Observed.Cluster.CreatedAt, s.Recorded.CreatedAt):
		return refuse(v1alpha1.ReasonIdentityMismatch, "cluster %d at %s was created at %s, but the one recorded here at "+
			"%s: it is another cluster and is left alone; check spec.gitlab.url, or delete this object with deletionPolicy "+
			"Orphan", s.Recorded.ID, s.Observed.URL, s.Observed.Cluster.CreatedAt, s.Recorded.CreatedAt), true
	}
	return decision{}, false
}

// keep decides for a recorded cluster: make it equal to the spec with the fewest fields.
func keep(s situation) decision {
	if other, owned := s.Observed.Owners[s.Recorded.ID]; owned && other.First {
		return refuse(v1alpha1.ReasonScopeConflict, "cluster %d belongs to GitLabInstanceCluster %s as well, which was "+
			"created first; delete this object or that one", s.Recorded.ID, other.Name)
	}
	if d, bad := identity(s); bad {
		return d
	}
	if s.Observed.Cluster == nil {
		if s.Want.ClusterID != 0 {
			return clusterNotFound(s)
		}
		return acquire(s)
	}
	have := *s.Observed.Cluster
	if d, bad := uneditable(s, have); bad {
		return d
	}
	fields := gitlab.Differences(s.Want.Attributes, have)
	if s.Want.TokenVersion != s.Recorded.TokenVersion {
		fields = append(fields, gitlab.FieldToken)
	}
	switch {
	case len(fields) == 0:
		return decision{Verb: verbNothing, Cluster: &have}
	case s.Want.Drift == v1alpha1.DriftReport:
		return decision{Verb: verbReport, Cluster: &have, Fields: fields}
	}
	if slices.Contains(fields, gitlab.FieldEnvironmentScope) {
		for _, cluster := range s.Observed.Holders {
			if cluster.ID != have.ID && cluster.EnvironmentScope == s.Want.EnvironmentScope {
				return conflict(s, cluster)
			}
		}
	}
	if s.Stuck.repeats(s, fields) {
		return refuse(v1alpha1.ReasonRejectedByGitLab, "%s", ignoredMessage(s.Stuck.Fields))
	}
	return decision{Verb: verbEdit, Cluster: &have, Fields: fields}
}

// repeats reports whether the same edit was answered with success before and changed nothing, and neither the spec,
// the Secrets nor GitLab's values have changed since.
func (k *stuck) repeats(s situation, fields []gitlab.Field) bool {
	return k != nil && k.Generation == s.Want.Generation && k.TokenVersion == s.Want.TokenVersion &&
		k.CADigest == gitlab.CertificateDigest(s.Want.CACert) && slices.Equal(k.Fields, fields) &&
		sameCluster(k.Answer, *s.Observed.Cluster)
}

// remove decides for an object that is being deleted and has recorded a cluster.
func remove(s situation) decision {
	if other, owned := s.Observed.Owners[s.Recorded.ID]; owned && other.First {
		return decision{Verb: verbRelease}
	}
	if d, bad := identity(s); bad {
		return d
	}
	if s.Observed.Cluster == nil {
		return decision{Verb: verbRelease}
	}
	return decision{Verb: verbDelete, Cluster: s.Observed.Cluster}
}
