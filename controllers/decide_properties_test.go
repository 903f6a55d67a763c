// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// property is a rule that every decision obeys, in every situation.
type property struct {
	name  string
	holds func(s situation, d decision) bool
}

func writes(d decision) bool {
	return slices.Contains([]verb{verbAdd, verbEdit, verbDelete}, d.Verb)
}

// unknown: whether an add was made is not known, and GitLab may still make it.
func unknown(s situation) bool { return s.Recorded.open() && !s.Observed.Settled }

func holder(s situation, fits func(gitlab.Cluster) bool) bool {
	return slices.ContainsFunc(s.Observed.Holders, func(c gitlab.Cluster) bool {
		return c.EnvironmentScope == s.Want.EnvironmentScope && fits(c)
	})
}

func anyCluster(gitlab.Cluster) bool { return true }

func orphaned(s situation) bool {
	return s.Want.Deleting && s.Want.Deletion == v1alpha1.DeletionOrphan
}

func implies(a, b bool) bool { return !a || b }

var properties = []property{
	{"never adds while an earlier add may still take effect", func(s situation, d decision) bool {
		return implies(d.Verb == verbAdd, !unknown(s))
	}},
	{"never adds while the scope is held", func(s situation, d decision) bool {
		return implies(d.Verb == verbAdd, !holder(s, anyCluster))
	}},
	{"never adds for an object that is deleted, is not first, or names a cluster to take over", func(s situation, d decision) bool {
		return implies(d.Verb == verbAdd, !s.Want.Deleting && s.Observed.Rival == "" && s.Want.ClusterID == 0)
	}},
	{"never adds while the recorded cluster is there or may be at another URL", func(s situation, d decision) bool {
		return implies(d.Verb == verbAdd && s.Recorded.ID != 0, s.Observed.Cluster == nil && s.Recorded.GitLabURL == s.Observed.URL)
	}},
	{"writes only where the spec says", func(s situation, d decision) bool {
		return implies(writes(d), s.Observed.URL == s.Want.GitLabURL)
	}},
	{"never writes to GitLab without knowing the outcome of an add", func(s situation, d decision) bool {
		return implies(unknown(s), !writes(d) && d.Verb != verbAdopt)
	}},
	{"edits and deletes the recorded cluster alone", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit || d.Verb == verbDelete, s.Recorded.ID != 0 && d.Cluster != nil &&
			d.Cluster.ID == s.Recorded.ID && gitlab.SameInstant(d.Cluster.CreatedAt, s.Recorded.CreatedAt))
	}},
	{"never edits or deletes what belongs to an older object", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit || d.Verb == verbDelete, !s.Observed.Owners[s.Recorded.ID].First)
	}},
	{"edits only what GitLab can edit", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit, d.Cluster != nil && d.Cluster.ProviderType == providerUser &&
			d.Cluster.AuthorizationType == s.Want.AuthorizationType)
	}},
	{"edits exactly the fields that differ", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit || d.Verb == verbReport,
			len(d.Fields) > 0 && slices.Equal(d.Fields, differing(s.Want, s.Recorded, *s.Observed.Cluster)))
	}},
	{"never edits under driftPolicy Report, and reports only then", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit, s.Want.Drift != v1alpha1.DriftReport) &&
			implies(d.Verb == verbReport, s.Want.Drift == v1alpha1.DriftReport)
	}},
	{"never edits into a scope that another cluster has", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit && slices.Contains(d.Fields, gitlab.FieldEnvironmentScope),
			!holder(s, func(c gitlab.Cluster) bool { return c.ID != s.Recorded.ID }))
	}},
	{"does not repeat an edit that changed nothing", func(s situation, d decision) bool {
		return implies(d.Verb == verbEdit && s.Stuck != nil, s.Stuck == nil || s.Stuck.Generation != s.Want.Generation)
	}},
	{"neither edits nor takes over for an object that is deleted", func(s situation, d decision) bool {
		return implies(s.Want.Deleting, d.Verb != verbEdit && d.Verb != verbAdopt && d.Verb != verbReport)
	}},
	{"deletes only for a deleted object that asks for it", func(s situation, d decision) bool {
		return implies(d.Verb == verbDelete, s.Want.Deleting && s.Recorded.Finalizer && !orphaned(s) && !s.Want.Suspended)
	}},
	{"writes nothing for a suspended object, and looks at nothing", func(s situation, d decision) bool {
		return implies(s.Want.Suspended, d.Verb == verbSuspend || s.Want.Deleting && (d.Verb == verbRelease || d.Verb == verbNothing))
	}},
	{"releases only a deleted object with nothing left in GitLab, with Orphan, or with an older owner", func(s situation, d decision) bool {
		nothingLeft := s.Recorded.ID == 0 && !unknown(s) ||
			s.Recorded.ID != 0 && !unknown(s) && s.Observed.Cluster == nil && s.Recorded.GitLabURL == s.Observed.URL
		return implies(d.Verb == verbRelease, s.Want.Deleting && s.Recorded.Finalizer &&
			(orphaned(s) || nothingLeft || !unknown(s) && s.Observed.Owners[s.Recorded.ID].First))
	}},
	{"Orphan releases always", func(s situation, d decision) bool {
		return implies(orphaned(s) && s.Recorded.Finalizer, d.Verb == verbRelease)
	}},
	{"nothing is done for an object that lacks the finalizer and goes", func(s situation, d decision) bool {
		return implies(s.Want.Deleting && !s.Recorded.Finalizer, d.Verb == verbNothing)
	}},
	{"takes over only a free cluster that can be kept", func(s situation, d decision) bool {
		return implies(d.Verb == verbAdopt, d.Cluster != nil && d.Cluster.ProviderType == providerUser &&
			d.Cluster.AuthorizationType == s.Want.AuthorizationType && !contains(s.Observed.Owners, d.Cluster.ID))
	}},
	{"takes over only what the spec names, or what matches if the policy allows", func(s situation, d decision) bool {
		return implies(d.Verb == verbAdopt, d.Cluster != nil && (d.Cluster.ID == s.Want.ClusterID && s.Recorded.ID == 0 ||
			s.Want.Adoption == v1alpha1.AdoptionMatching && s.Observed.Rival == "" &&
				sameTriple(*d.Cluster, s.Want.EnvironmentScope, s.Want.Name, s.Want.APIURL)))
	}},
	{"finds its own add only by a later id, a triple and no other owner, at the URL it was sent to", func(s situation, d decision) bool {
		if d.Verb != verbTake {
			return true
		}
		in := s.Recorded.Intent
		return s.Recorded.open() && s.Observed.URL == in.GitLabURL && d.Cluster.ID > in.HighestID &&
			d.Cluster.ProviderType == providerUser && !contains(s.Observed.Owners, d.Cluster.ID) &&
			(sameTriple(*d.Cluster, in.Scope, in.Name, in.APIURL) ||
				sameTriple(*d.Cluster, s.Want.EnvironmentScope, s.Want.Name, s.Want.APIURL))
	}},
	{"always finds its own add if it is in view", func(s situation, d decision) bool {
		if !s.Recorded.open() || s.Observed.URL != s.Recorded.Intent.GitLabURL || !asksGitLab(&s) {
			return true
		}
		made := slices.ContainsFunc(s.Observed.Holders, func(c gitlab.Cluster) bool {
			return !contains(s.Observed.Owners, c.ID) && s.Recorded.Intent.made(c, s.Want.Attributes)
		})
		return made == (d.Verb == verbTake)
	}},
	{"a cluster named by the spec that is not there is said, never added", func(s situation, d decision) bool {
		looked := asksGitLab(&s) && !s.Recorded.open() && !s.Want.Deleting && s.Recorded.ID == 0
		return implies(looked && s.Want.ClusterID != 0 && s.Observed.Cluster == nil, d.Reason == v1alpha1.ReasonClusterNotFound)
	}},
	{"a recorded id that shows another cluster is refused", func(s situation, d decision) bool {
		reborn := s.Observed.Cluster != nil && !gitlab.SameInstant(s.Observed.Cluster.CreatedAt, s.Recorded.CreatedAt)
		looked := asksGitLab(&s) && !s.Recorded.open() && s.Recorded.ID != 0 && !s.Observed.Owners[s.Recorded.ID].First
		return implies(looked && reborn, d.Reason == v1alpha1.ReasonIdentityMismatch)
	}},
	{"a vanished cluster is added again, whatever the drift policy", func(s situation, d decision) bool {
		gone := asksGitLab(&s) && !s.Recorded.open() && s.Recorded.ID != 0 && s.Observed.Cluster == nil &&
			s.Recorded.GitLabURL == s.Observed.URL && !s.Want.Deleting && s.Want.ClusterID == 0
		free := len(s.Observed.Holders) == 0 && s.Observed.Rival == "" && !s.Observed.Owners[s.Recorded.ID].First
		return implies(gone && free, d.Verb == verbAdd)
	}},
	{"does nothing only if nothing differs", func(s situation, d decision) bool {
		return implies(d.Verb == verbNothing && !s.Want.Deleting, s.Observed.Cluster != nil &&
			len(differing(s.Want, s.Recorded, *s.Observed.Cluster)) == 0)
	}},
	{"says why it refuses, in one line, and only then", func(s situation, d decision) bool {
		if d.Verb != verbRefuse {
			return d.Reason == "" && d.Message == ""
		}
		return slices.Contains(refusalReasons, d.Reason) && d.Message != "" && !strings.Contains(d.Message, "\n") &&
			!strings.Contains(d.Message, "%!") && utf8.RuneCountInString(d.Message) <= messageLimit
	}},
	{"names the cluster that it is about", func(s situation, d decision) bool {
		about := slices.Contains([]verb{verbEdit, verbDelete, verbAdopt, verbTake}, d.Verb)
		return implies(about, d.Cluster != nil)
	}},
}

// refusalReasons are those that decide gives; the others come from what GitLab or Kubernetes say.
var refusalReasons = []string{
	v1alpha1.ReasonScopeConflict, v1alpha1.ReasonClusterNotFound, v1alpha1.ReasonIdentityMismatch,
	v1alpha1.ReasonNotEditable, v1alpha1.ReasonAuthorizationTypeMismatch, v1alpha1.ReasonRejectedByGitLab,
}

func contains(owners map[int64]owner, id int64) bool {
	_, ok := owners[id]
	return ok
}

// TestDecideInEverySituation checks every property in every combination of what a decision depends on.
func TestDecideInEverySituation(t *testing.T) {
	n, failures := 0, map[string]int{}
	verbs, reasons := map[verb]int{}, map[string]int{}
	for name, s := range situations() {
		d := decide(s)
		n++
		verbs[d.Verb]++
		if d.Reason != "" {
			reasons[d.Reason]++
		}
		for _, p := range properties {
			if p.holds(s, d) {
				continue
			}
			if failures[p.name]++; failures[p.name] <= 2 {
				t.Errorf("not so: %s\n  in %s\n  %s %s %v %s", p.name, name(), d.Verb, d.Reason, d.Fields, d.Message)
			}
		}
		if n%101 == 0 && !reflect.DeepEqual(d, decide(s)) {
			t.Fatalf("two decisions in one situation: %s", name())
		}
	}
	t.Logf("%d situations, %d properties; decisions: %v; refusals: %v", n, len(properties), verbs, reasons)
	for name, count := range failures {
		t.Errorf("%d situations: not so: %s", count, name)
	}
	for _, v := range []verb{verbAdd, verbEdit, verbDelete, verbAdopt, verbTake, verbResolve, verbRelease, verbReport,
		verbNothing, verbRefuse, verbSuspend} {
		if verbs[v] == 0 {
			t.Errorf("no situation leads to %q: the enumeration is too small", v)
		}
	}
	for _, reason := range refusalReasons {
		if reasons[reason] == 0 {
			t.Errorf("no situation leads to %s: the enumeration is too small", reason)
		}
	}
}
