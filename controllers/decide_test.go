// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// TestDecide tells single stories; that the rules hold in every situation is TestDecideInEverySituation's.
func TestDecide(t *testing.T) {
	for name, test := range map[string]struct {
		start  func() situation
		change func(*situation)
		verb   verb
		reason string
		fields []gitlab.Field
		says   string // a part of the message
	}{
		"a new object's cluster is added": {start: aNew, verb: verbAdd},
		"what is as it shall be stays":    {start: aSettled, verb: verbNothing},
		"a renamed spec is edited, the name alone": {start: aSettled,
			change: func(s *situation) { s.Want.Name = "prod" },
			verb:   verbEdit, fields: []gitlab.Field{gitlab.FieldName}},
		"a rotated token is written": {start: aSettled,
			change: func(s *situation) { s.Want.TokenVersion = "uid/8/token" },
			verb:   verbEdit, fields: []gitlab.Field{gitlab.FieldToken}},
		"what was changed in GitLab is put back": {start: aSettled,
			change: func(s *situation) { s.Observed.Cluster.Domain = "theirs.example.com" },
			verb:   verbEdit, fields: []gitlab.Field{gitlab.FieldDomain}},
		"with driftPolicy Report it is told instead": {start: aSettled,
			change: func(s *situation) {
				s.Observed.Cluster.Domain, s.Want.Drift = "theirs.example.com", v1alpha1.DriftReport
			},
			verb: verbReport, fields: []gitlab.Field{gitlab.FieldDomain}},
		"a cluster deleted in GitLab is added again": {start: aSettled,
			change: func(s *situation) { s.Observed.Cluster, s.Observed.Holders = nil, nil }, verb: verbAdd},
		"a foreign cluster in the scope is in the way": {start: aNew, change: holders(6, func(c *gitlab.Cluster) { c.Name = "theirs" }),
			verb: verbRefuse, reason: v1alpha1.ReasonScopeConflict, says: `cluster 6 ("theirs")`},
		"so is another object's": {start: aNew, change: func(s *situation) {
			holders(6)(s)
			s.Observed.Owners[6] = owner{Name: "team/other"}
		}, verb: verbRefuse, reason: v1alpha1.ReasonScopeConflict, says: "team/other"},
		"the older of two new objects goes first": {start: aNew, change: func(s *situation) { s.Observed.Rival = "team/older" },
			verb: verbRefuse, reason: v1alpha1.ReasonScopeConflict, says: "team/older"},
		"a cluster like the spec is taken over if the policy allows": {start: aNew, change: func(s *situation) {
			holders(6)(s)
			s.Want.Adoption = v1alpha1.AdoptionMatching
		}, verb: verbAdopt},
		"a cluster like the spec but for its name is not": {start: aNew, change: func(s *situation) {
			holders(6, func(c *gitlab.Cluster) { c.Name = "theirs" })(s)
			s.Want.Adoption = v1alpha1.AdoptionMatching
		}, verb: verbRefuse, reason: v1alpha1.ReasonScopeConflict},
		"the cluster that spec.clusterID names is taken over, whatever differs": {start: aNew, change: func(s *situation) {
			s.Want.ClusterID = 6
			found(func(c *gitlab.Cluster) { c.Name, c.EnvironmentScope = "old", "old/*" })(s)
		}, verb: verbAdopt},
		"a cluster of Google's is not": {start: aNew, change: func(s *situation) {
			s.Want.ClusterID = 6
			found(func(c *gitlab.Cluster) { c.ProviderType = "gcp" })(s)
		}, verb: verbRefuse, reason: v1alpha1.ReasonNotEditable, says: `"gcp"`},
		"nor is one with another authorization type": {start: aNew, change: func(s *situation) {
			s.Want.ClusterID = 6
			found(func(c *gitlab.Cluster) { c.AuthorizationType = "abac" })(s)
		}, verb: verbRefuse, reason: v1alpha1.ReasonAuthorizationTypeMismatch, says: `to "abac"`},
		"a wrong spec.clusterID is said": {start: aNew, change: func(s *situation) { s.Want.ClusterID = 6 },
			verb: verbRefuse, reason: v1alpha1.ReasonClusterNotFound, says: "cluster 6"},
		"after a lost answer GitLab is asked until it is clear": {start: aNew,
			change: func(s *situation) { s.Recorded.Intent = anIntent(7) }, verb: verbResolve},
		"the cluster of a lost answer is recognised": {start: aNew, change: func(s *situation) {
			s.Recorded.Intent = anIntent(7)
			holders(8)(s)
		}, verb: verbTake},
		"also after the scope was edited": {start: aNew, change: func(s *situation) {
			s.Recorded.Intent = anIntent(7)
			holders(8)(s)
			s.Want.EnvironmentScope = "staging/*"
		}, verb: verbTake},
		"a cluster that was there before the add is not": {start: aNew, change: func(s *situation) {
			s.Recorded.Intent = anIntent(7)
			holders(6)(s)
		}, verb: verbRefuse, reason: v1alpha1.ReasonScopeConflict},
		"when nothing came in time it is added anew": {start: aNew, change: func(s *situation) {
			s.Recorded.Intent, s.Observed.Settled = anIntent(7), true
		}, verb: verbAdd},
		"a refused add is tried again": {start: aNew, change: func(s *situation) {
			s.Recorded.Intent, s.Recorded.Refused = anIntent(7), 1
		}, verb: verbAdd},
		"a deleted object's cluster is deleted": {start: aSettled, change: func(s *situation) { s.Want.Deleting = true }, verb: verbDelete},
		"with Orphan it is left": {start: aSettled,
			change: func(s *situation) { s.Want.Deleting, s.Want.Deletion = true, v1alpha1.DeletionOrphan }, verb: verbRelease},
		"a deleted object whose cluster is gone may go": {start: aSettled,
			change: func(s *situation) { s.Want.Deleting, s.Observed.Cluster = true, nil }, verb: verbRelease},
		"a deleted object waits for a lost answer": {start: aNew, change: func(s *situation) {
			s.Recorded.Intent, s.Recorded.Finalizer, s.Want.Deleting = anIntent(7), true, true
		}, verb: verbResolve},
		"another cluster under the recorded id is left alone": {start: aSettled,
			change: func(s *situation) { s.Observed.Cluster.CreatedAt = "2024-01-01T00:00:00Z" },
			verb:   verbRefuse, reason: v1alpha1.ReasonIdentityMismatch, says: "left alone"},
		"also on deletion": {start: aSettled, change: func(s *situation) {
			s.Observed.Cluster.CreatedAt, s.Want.Deleting = "2024-01-01T00:00:00Z", true
		}, verb: verbRefuse, reason: v1alpha1.ReasonIdentityMismatch},
		"GitLab under a new name is known by its cluster": {start: aSettled,
			change: func(s *situation) { s.Want.GitLabURL, s.Observed.URL = there, there }, verb: verbNothing},
		"another GitLab is known by the missing cluster": {start: aSettled, change: func(s *situation) {
			s.Want.GitLabURL, s.Observed.URL, s.Observed.Cluster, s.Observed.Holders = there, there, nil, nil
		}, verb: verbRefuse, reason: v1alpha1.ReasonIdentityMismatch, says: there + " has no cluster 5"},
		"a deleted object is not let go because another GitLab lacks its cluster": {start: aSettled, change: func(s *situation) {
			s.Want.Deleting, s.Observed.URL, s.Observed.Cluster = true, there, nil
		}, verb: verbRefuse, reason: v1alpha1.ReasonIdentityMismatch},
		"a suspended object is left alone": {start: aSettled,
			change: func(s *situation) { s.Want.Suspended, s.Want.Name = true, "prod" }, verb: verbSuspend},
		"an edit that GitLab ignored is not repeated": {start: aSettled, change: func(s *situation) {
			s.Want.Managed = false
			stuckOn(3)(s)
		}, verb: verbRefuse, reason: v1alpha1.ReasonRejectedByGitLab, says: "spec.managed"},
		"an edit into a scope that is taken is not sent": {start: aSettled, change: func(s *situation) {
			s.Want.EnvironmentScope = "staging/*"
			holders(6, func(c *gitlab.Cluster) { c.EnvironmentScope = "staging/*" })(s)
		}, verb: verbRefuse, reason: v1alpha1.ReasonScopeConflict},
	} {
		t.Run(name, func(t *testing.T) {
			s := test.start()
			if test.change != nil {
				test.change(&s)
			}
			d := decide(s)
			if d.Verb != test.verb || d.Reason != test.reason || !strings.Contains(d.Message, test.says) {
				t.Errorf("decided %s %s %q, not %s %s with %q", d.Verb, d.Reason, d.Message, test.verb, test.reason, test.says)
			}
			if test.fields != nil && !slices.Equal(d.Fields, test.fields) {
				t.Errorf("fields are %v, not %v", d.Fields, test.fields)
			}
		})
	}
}
