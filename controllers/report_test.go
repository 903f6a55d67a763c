// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

func gitLabError(kind gitlab.Kind, status int, message string) *gitlab.Error {
	return &gitlab.Error{Kind: kind, Method: "PUT", Endpoint: "edit", Status: status, Message: message, Sent: true}
}

func invalid(field, message string) *gitlab.Error {
	e := gitLabError(gitlab.KindInvalid, 400, field+": "+message)
	e.Fields = map[string][]string{field: {message}}
	return e
}

var duplicateScope = invalid("environment_scope", "cannot add duplicated environment scope")

// ending is one way in which a pass can end.
type ending struct {
	name   string
	reason string // "" where nothing is written to the status
	again  again
	res    result
	rec    func(*recorded)
	says   string
}

func failing(err error) result { return result{Decision: decision{Verb: verbEdit}, Err: err} }

func endings() []ending {
	ours := aCluster(5)
	deciding := func(v verb, fields ...gitlab.Field) result {
		return result{Decision: decision{Verb: v, Cluster: &ours, Fields: fields}, Cluster: &ours}
	}
	adding := func(err error, attempt int64, earlier bool) result {
		return failedAdd(decision{Verb: verbAdd}, attempt, earlier, err)
	}
	timeout := gitLabError(gitlab.KindUnreachable, 0, "no answer from gitlab.example.com within 30s")
	unsent := &gitlab.Error{Kind: gitlab.KindUnreachable, Endpoint: "add", Message: "no connection to gitlab.example.com: connection refused"}
	stuck := deciding(verbEdit, gitlab.FieldManaged)
	stuck.Ignored = []gitlab.Field{gitlab.FieldManaged}
	put := deciding(verbEdit, gitlab.FieldDomain)
	put.Drift = true
	ready := func(name string, res result) ending {
		return ending{name: name, reason: v1alpha1.ReasonSynced, again: againNever, res: res}
	}
	all := []ending{
		ready("nothing to do", deciding(verbNothing)),
		ready("added", result{Decision: decision{Verb: verbAdd}, Cluster: &ours, Attempt: 1}),
		ready("edited", deciding(verbEdit, gitlab.FieldName)),
		ready("put back", put),
		{name: "differs under Report", reason: v1alpha1.ReasonDrifted, res: deciding(verbReport, gitlab.FieldName, gitlab.FieldAPIURL), says: "name, kubernetes.apiURL"},
		{name: "ignored by GitLab", reason: v1alpha1.ReasonRejectedByGitLab, again: againSlow, res: stuck, says: "spec.managed"},
		{name: "taken", reason: v1alpha1.ReasonResolvingCreate, again: againNow, res: deciding(verbTake), rec: openIntent},
		{name: "adopted", reason: v1alpha1.ReasonResolvingCreate, again: againNow, res: deciding(verbAdopt)},
		{name: "still resolving", reason: v1alpha1.ReasonResolvingCreate, again: againBackoff, res: deciding(verbResolve), rec: openIntent, says: here},
		{name: "add not answered", reason: v1alpha1.ReasonResolvingCreate, again: againBackoff, res: adding(timeout, 1, false), says: "neither yes nor no"},
		{name: "add not sent", reason: v1alpha1.ReasonGitLabUnreachable, again: againBackoff, res: adding(unsent, 1, false), says: "connection refused"},
		{name: "add before its claim", reason: v1alpha1.ReasonGitLabUnreachable, again: againBackoff, res: adding(timeout, 0, false)},
		{name: "scope taken at the first add", reason: v1alpha1.ReasonScopeConflict, again: againNow, res: adding(duplicateScope, 1, false), says: "production/*"},
		{name: "scope taken at a later add", reason: v1alpha1.ReasonResolvingCreate, again: againBackoff, res: adding(duplicateScope, 2, true)},
		{name: "scope taken by no cluster that is listed", reason: v1alpha1.ReasonScopeConflict, again: againSlow, res: hidden(adding(duplicateScope, 1, false)),
			says: "spec.managementProjectID"},
		{name: "scope taken at an edit", reason: v1alpha1.ReasonScopeConflict, again: againNow, res: failing(duplicateScope), says: "production/*"},
		{name: "scope of an edit taken by no cluster that is listed", reason: v1alpha1.ReasonScopeConflict, again: againSlow,
			res: hidden(failing(duplicateScope)), says: "spec.managementProjectID"},
		{name: "suspended", reason: v1alpha1.ReasonSuspended, res: deciding(verbSuspend), says: "spec.suspend"},
		{name: "deleted", res: deciding(verbDelete)},
		{name: "deleted but still there", reason: v1alpha1.ReasonDeleting, again: againBackoff, res: result{Decision: decision{Verb: verbDelete}, Err: errStillThere}},
		{name: "released", res: deciding(verbRelease)},
		{name: "changed meanwhile", again: againNow, res: failing(errStale)},
		{name: "no room under the limit", again: againAfter, res: failing(&fleet.Busy{After: time.Second})},
		{name: "anything else", reason: v1alpha1.ReasonGitLabError, again: againBackoff, res: failing(errors.New("odd"))},
	}
	for _, reason := range refusalReasons {
		all = append(all, ending{name: "refused: " + reason, reason: reason, again: againSlow,
			res: result{Decision: refuse(reason, "why %s", strings.Repeat("not ", 200))}, says: "why"})
	}
	for _, reason := range []string{v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretForbidden, v1alpha1.ReasonInvalidSecret, v1alpha1.ReasonResolvingCreate} {
		all = append(all, ending{name: "problem: " + reason, reason: reason, again: againSlow,
			res: refused(&problem{reason, "key \"token\" of Secret s"}), says: "Secret s"})
	}
	for _, kind := range kinds {
		cause := gitLabError(kind.kind, kind.status, "GitLab's words")
		all = append(all, ending{name: kind.kind.String(), reason: kind.reason, again: kind.again, res: failing(cause), says: kind.says},
			ending{name: kind.kind.String() + " for all", reason: kind.reason, again: againSlow, says: kind.says,
				res: failing(&fleet.Open{Cause: cause, Until: time.Now()})})
	}
	return all
}

func hidden(res result) result {
	res.Hidden = true
	return res
}

func openIntent(rec *recorded) { rec.ID, rec.Intent = 0, anIntent(4) }

// meaning is what a kind of GitLab's errors leads to.
type meaning struct {
	kind   gitlab.Kind
	status int
	reason string
	again  again
	says   string
}

var kinds = []meaning{
	{gitlab.KindUnreachable, 0, v1alpha1.ReasonGitLabUnreachable, againBackoff, "GitLab's words"},
	{gitlab.KindTLS, 0, v1alpha1.ReasonTLSVerificationFailed, againSlow, "spec.gitlab.caSecretRef"},
	{gitlab.KindRedirect, 302, v1alpha1.ReasonUnexpectedRedirect, againSlow, "spec.gitlab.url"},
	{gitlab.KindRateLimited, 429, v1alpha1.ReasonRateLimited, againBackoff, "slow down"},
	{gitlab.KindUnauthorized, 401, v1alpha1.ReasonUnauthorized, againSlow, "spec.gitlab.tokenSecretRef"},
	{gitlab.KindForbidden, 403, v1alpha1.ReasonForbidden, againSlow, "admin_mode"},
	{gitlab.KindNotFound, 404, v1alpha1.ReasonGitLabError, againBackoff, "404"},
	{gitlab.KindDisabled, 404, v1alpha1.ReasonFeatureDisabled, againSlow, "certificate_based_clusters"},
	{gitlab.KindInvalid, 400, v1alpha1.ReasonRejectedByGitLab, againSlow, "GitLab's words"},
	{gitlab.KindServer, 502, v1alpha1.ReasonGitLabError, againBackoff, "502"},
	{gitlab.KindUnreadable, 200, v1alpha1.ReasonGitLabError, againBackoff, "GitLab's words"},
}

func TestEveryKindOfErrorHasItsMeaning(t *testing.T) {
	for kind := gitlab.Kind(1); !strings.HasPrefix(kind.String(), "kind "); kind++ {
		if !slices.ContainsFunc(kinds, func(m meaning) bool { return m.kind == kind }) {
			t.Errorf("no row for %s", kind)
		}
	}
}

// record is the object's memory that the endings start from.
func (e ending) record() recorded {
	rec := aSettled().Recorded
	if e.rec != nil {
		e.rec(&rec)
	}
	return rec
}

func TestReport(t *testing.T) {
	for _, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			rep := reporting(aWant(), e.record(), e.res)
			if rep.Reason != e.reason || rep.Again != e.again {
				t.Errorf("reason %q, again %q: not %q, %q", rep.Reason, rep.Again, e.reason, e.again)
			}
			if !strings.Contains(rep.Message, e.says) {
				t.Errorf("%q does not say %q", rep.Message, e.says)
			}
			if silent := e.reason == ""; silent != (rep.Silent || rep.Release) {
				t.Errorf("silent %t, release %t", rep.Silent, rep.Release)
			}
			checkMessage(t, rep)
		})
	}
}

// TestReportWhileAnOpenAddCannotBeLookedFor checks that the object says so, and that what the user has to mend is said
// where the spec names the GitLab that was asked.
func TestReportWhileAnOpenAddCannotBeLookedFor(t *testing.T) {
	for _, kind := range kinds {
		for _, asked := range []string{here, there} {
			t.Run(kind.kind.String()+" at "+asked, func(t *testing.T) {
				res := refused(&fleet.Open{Cause: gitLabError(kind.kind, kind.status, "GitLab's words")})
				res.Asked = asked
				w, rec := aWant(), recorded{Finalizer: true, Intent: anIntent(4)}
				rec.Intent.GitLabURL = asked
				expected := v1alpha1.ReasonResolvingCreate
				if asked == here && v1alpha1.Stalls(kind.reason) {
					expected = kind.reason
				}
				rep := reporting(w, rec, res)
				if rep.Reason != expected || rep.Again != againSlow || !strings.Contains(rep.Message, asked) && expected != kind.reason {
					t.Errorf("%s, again %q: %q", rep.Reason, rep.Again, rep.Message)
				}
				if asked == there && strings.Contains(rep.Message, here) {
					t.Errorf("%q names a GitLab that was not asked", rep.Message)
				}
				checkMessage(t, rep)
				w.Deleting = true
				rep = reporting(w, rec, res)
				if rep.Reason != v1alpha1.ReasonDeletionBlocked || !strings.HasPrefix(rep.Message, kind.reason) {
					t.Errorf("deleted: %s, %q", rep.Reason, rep.Message)
				}
			})
		}
	}
}

func checkMessage(t *testing.T, rep report) {
	t.Helper()
	switch n := utf8.RuneCountInString(rep.Message); {
	case n > messageLimit:
		t.Errorf("a message of %d characters", n)
	case n == 0 && !rep.Silent && !rep.Release:
		t.Error("no message")
	}
	if strings.ContainsAny(rep.Message, "\n\t") || strings.Contains(rep.Message, "%!") {
		t.Errorf("not one plain line: %q", rep.Message)
	}
}

// TestReportOfADeletedObject checks that what is in the way of a deletion is said, and how to let the object go.
func TestReportOfADeletedObject(t *testing.T) {
	w := aWant()
	w.Deleting = true
	for _, e := range endings() {
		if slices.Contains([]verb{verbAdd, verbReport, verbAdopt, verbNothing}, e.res.Decision.Verb) && e.res.Err == nil {
			continue // nothing of the kind is decided for a deleted object
		}
		t.Run(e.name, func(t *testing.T) {
			rep := reporting(w, e.record(), e.res)
			checkMessage(t, rep)
			switch {
			case rep.Silent || rep.Release, rep.Reason == v1alpha1.ReasonSuspended, rep.Reason == v1alpha1.ReasonDeleting:
			case rep.Reason != v1alpha1.ReasonDeletionBlocked:
				t.Errorf("reason is %s", rep.Reason)
			case !strings.HasPrefix(rep.Message, e.reason) || !strings.HasSuffix(rep.Message, "set spec.deletionPolicy to Orphan"):
				t.Errorf("%q does not begin with the cause %s and end with the way out", rep.Message, e.reason)
			}
			if rep.Again != e.again {
				t.Errorf("again %q, not %q as without deletion", rep.Again, e.again)
			}
		})
	}
}

// TestWhatIsRecorded tells what each ending leaves in the status beside the conditions.
func TestWhatIsRecorded(t *testing.T) {
	ours := aCluster(5)
	recordedBefore := v1alpha1.GitLabInstanceClusterStatus{ClusterID: 5, ClusterCreatedAt: born, GitLabURL: here,
		ClusterURL: here + "/admin/clusters/5", TokenSecretVersion: "uid/6/token"}
	type status = v1alpha1.GitLabInstanceClusterStatus
	for name, test := range map[string]struct {
		before status
		want   func(*want)
		rec    func(*recorded)
		res    result
		after  func(*status)
	}{
		"an add: the cluster's identity and the token GitLab has": {
			before: status{RefusedAttempt: 1},
			res:    result{Decision: decision{Verb: verbAdd}, Cluster: &ours, Attempt: 2},
			after: func(s *status) {
				*s = recordedBefore
				s.TokenSecretVersion = "uid/7/token"
			}},
		"a refused add: its number": {
			res:   failedAdd(decision{Verb: verbAdd}, 2, false, gitLabError(gitlab.KindForbidden, 403, "no")),
			after: func(s *status) { s.RefusedAttempt = 2 }},
		"an add refused after one without an answer: its number": {
			res:   failedAdd(decision{Verb: verbAdd}, 2, true, gitLabError(gitlab.KindForbidden, 403, "no")),
			after: func(s *status) { s.RefusedAttempt = 2 }},
		"a scope that is taken at the first add: its number": {
			res:   failedAdd(decision{Verb: verbAdd}, 1, false, duplicateScope),
			after: func(s *status) { s.RefusedAttempt = 1 }},
		"a scope that is taken after an add without an answer: nothing, it may be ours": {
			res: failedAdd(decision{Verb: verbAdd}, 2, true, duplicateScope)},
		"an add without an answer: nothing": {
			res: failedAdd(decision{Verb: verbAdd}, 2, false, gitLabError(gitlab.KindServer, 502, "bad gateway"))},
		"an add that was never sent: nothing": {
			res: failedAdd(decision{Verb: verbAdd}, 0, false, gitLabError(gitlab.KindForbidden, 403, "no"))},
		"a found add: its identity, the URL and the token of the intent": {
			want: func(w *want) { w.GitLabURL, w.TokenVersion = there, "uid/9/token" },
			rec:  openIntent,
			res:  result{Decision: decision{Verb: verbTake, Cluster: &ours}, Cluster: &ours},
			after: func(s *status) {
				*s = recordedBefore
				s.TokenSecretVersion = "uid/7/token"
			}},
		"an adoption: its identity and no token, so that ours is sent": {
			rec: func(rec *recorded) { *rec = recorded{Finalizer: true} },
			res: result{Decision: decision{Verb: verbAdopt, Cluster: &ours}, Cluster: &ours},
			after: func(s *status) {
				*s = recordedBefore
				s.TokenSecretVersion = ""
			}},
		"an adoption after an add that came to nothing: also that it did": {
			rec: openIntent,
			res: result{Decision: decision{Verb: verbAdopt, Cluster: &ours}, Cluster: &ours},
			after: func(s *status) {
				*s = recordedBefore
				s.TokenSecretVersion, s.RefusedAttempt = "", 1
			}},
		"an edit: the token GitLab has": {before: recordedBefore,
			res:   result{Decision: decision{Verb: verbEdit, Fields: []gitlab.Field{gitlab.FieldToken}}, Cluster: &ours},
			after: func(s *status) { s.TokenSecretVersion = "uid/7/token" }},
		"a failed edit: nothing": {before: recordedBefore, res: failing(gitLabError(gitlab.KindServer, 500, "oops"))},
		"differences under Report: their paths": {before: recordedBefore,
			res:   result{Decision: decision{Verb: verbReport, Cluster: &ours, Fields: []gitlab.Field{gitlab.FieldCACert}}, Cluster: &ours},
			after: func(s *status) { s.DriftedFields = []string{"kubernetes.caSecretRef"} }},
		"no differences any more: none": {
			before: func() status { s := recordedBefore; s.DriftedFields = []string{"name"}; return s }(),
			res:    result{Decision: decision{Verb: verbNothing, Cluster: &ours}, Cluster: &ours},
			after:  func(s *status) { s.DriftedFields = nil }},
		"GitLab under a new name: the name": {before: recordedBefore, want: func(w *want) { w.GitLabURL = there },
			res:   result{Decision: decision{Verb: verbNothing, Cluster: &ours}, Cluster: &ours},
			after: func(s *status) { s.GitLabURL, s.ClusterURL = there, there+"/admin/clusters/5" }},
		"a refusal: nothing": {before: recordedBefore, res: result{Decision: refuse(v1alpha1.ReasonScopeConflict, "why")}},
	} {
		t.Run(name, func(t *testing.T) {
			w, rec, got := aWant(), aSettled().Recorded, *test.before.DeepCopy()
			if test.want != nil {
				test.want(&w)
			}
			if test.rec != nil {
				test.rec(&rec)
			}
			reporting(w, rec, test.res).apply(&got, 3, time.Unix(0, 0))
			expected := *test.before.DeepCopy()
			if test.after != nil {
				test.after(&expected)
			}
			expected.ObservedGeneration, expected.Conditions = 3, got.Conditions
			if !equality.Semantic.DeepEqual(got, expected) {
				t.Errorf("recorded %+v, not %+v", got, expected)
			}
		})
	}
}

// TestWords checks what of GitLab's answer stands in the message, and the remedy.
func TestWords(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		says string
	}{
		"each field once, in order": {&gitlab.Error{Kind: gitlab.KindInvalid, Status: 400, Fields: map[string][]string{
			"environment_scope": {"can't be blank", "can't be blank"}, "domain": {"must not end with a dot"}}},
			"domain: must not end with a dot; environment_scope: can't be blank"},
		"a blocked API URL": {invalid("platform_kubernetes.api_url", "is blocked: Requests to the local network are not allowed"),
			"is blocked: Requests to the local network are not allowed; an administrator can allow it in GitLab: Admin area, " +
				"Settings, Network, Outbound requests"},
		"a name that GitLab cannot resolve": {invalid("platform_kubernetes.api_url", "is blocked: Host cannot be resolved or invalid"), "GitLab's DNS"},
		"a bad certificate":                 {invalid("platform_kubernetes.ca_cert", "must be a valid PEM certificate"), "spec.kubernetes.caSecretRef"},
		"a project that is not there": {invalid("management_project_id",
			"Project does not exist or you don't have permission to perform this action"), "correct spec.managementProjectID"},
		"the status once":        {gitLabError(gitlab.KindServer, 500, "500 Internal Server Error"), "error: 500 Internal Server Error"},
		"the status if not said": {gitLabError(gitlab.KindServer, 502, "a web page"), "502 a web page"},
	} {
		t.Run(name, func(t *testing.T) {
			if rep := reporting(aWant(), recorded{}, failing(test.err)); !strings.Contains(rep.Message, test.says) {
				t.Errorf("%q does not say %q", rep.Message, test.says)
			}
		})
	}
}
