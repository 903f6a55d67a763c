// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// TestConditions checks the conditions as kstatus reads them, after each ending that follows each other one.
func TestConditions(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, first := range endings() {
		for _, second := range endings() {
			status := v1alpha1.GitLabInstanceClusterStatus{ObservedGeneration: -1}
			for generation, e := range []ending{first, second} {
				if rep := reporting(aWant(), e.record(), e.res); !rep.Silent && !rep.Release {
					rep.apply(&status, int64(generation+1), now)
					checkConditions(t, e.name+" after "+first.name, status, rep, int64(generation+1))
				}
			}
		}
	}
}

func checkConditions(t *testing.T, name string, status v1alpha1.GitLabInstanceClusterStatus, rep report, generation int64) {
	t.Helper()
	holding := 0
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		c := meta.FindStatusCondition(status.Conditions, kind)
		if c == nil {
			continue
		}
		if c.Status == metav1.ConditionTrue {
			holding++
		} else if kind != v1alpha1.ConditionReady {
			t.Errorf("%s: %s is %s: it is there only while true", name, kind, c.Status)
		}
		if c.ObservedGeneration != generation || c.Reason != rep.Reason || c.Message != rep.Message {
			t.Errorf("%s: %s speaks of generation %d, %s, %q", name, kind, c.ObservedGeneration, c.Reason, c.Message)
		}
	}
	suspended := rep.Reason == v1alpha1.ReasonSuspended
	if meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady) == nil || suspended == (holding == 1) || holding > 1 {
		t.Errorf("%s: %d of Ready, Reconciling and Stalled are true: %v", name, holding, status.Conditions)
	}
	if status.ObservedGeneration != generation {
		t.Errorf("%s: observedGeneration is %d", name, status.ObservedGeneration)
	}
}

// TestSameEndingSameStatus: a pass that ends like the one before writes nothing, whenever it is.
func TestSameEndingSameStatus(t *testing.T) {
	for _, e := range endings() {
		status := v1alpha1.GitLabInstanceClusterStatus{}
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		reporting(aWant(), e.record(), e.res).apply(&status, 3, at)
		before := status.DeepCopy()
		for i := 1; i < 4; i++ {
			reporting(aWant(), e.record(), e.res).apply(&status, 3, at.Add(time.Duration(i)*time.Hour))
			if !equality.Semantic.DeepEqual(*before, status) {
				t.Errorf("%s: the status changes from %v to %v", e.name, *before, status)
			}
		}
	}
}

// kindsOfReasons is what the user is promised: whose move it is.
var kindsOfReasons = map[string][]string{
	v1alpha1.ConditionReady: {v1alpha1.ReasonSynced, v1alpha1.ReasonDrifted},
	v1alpha1.ConditionReconciling: {v1alpha1.ReasonGitLabUnreachable, v1alpha1.ReasonRateLimited, v1alpha1.ReasonGitLabError,
		v1alpha1.ReasonResolvingCreate, v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonDeleting, v1alpha1.ReasonDeletionBlocked},
	v1alpha1.ConditionStalled: {v1alpha1.ReasonClusterNotFound, v1alpha1.ReasonSecretForbidden, v1alpha1.ReasonInvalidSecret,
		v1alpha1.ReasonUnauthorized, v1alpha1.ReasonForbidden, v1alpha1.ReasonFeatureDisabled, v1alpha1.ReasonTLSVerificationFailed,
		v1alpha1.ReasonUnexpectedRedirect, v1alpha1.ReasonScopeConflict, v1alpha1.ReasonRejectedByGitLab, v1alpha1.ReasonNotEditable,
		v1alpha1.ReasonIdentityMismatch, v1alpha1.ReasonAuthorizationTypeMismatch},
	"": {v1alpha1.ReasonSuspended},
}

// TestEveryReason checks that each reason of the API is given by some ending, and with the condition that it promises.
func TestEveryReason(t *testing.T) {
	given := map[string]string{} // the condition that was true with the reason
	for _, deletes := range []bool{false, true} {
		for _, e := range endings() {
			w := aWant()
			w.Deleting = deletes
			rep := reporting(w, e.record(), e.res)
			if rep.Silent || rep.Release {
				continue
			}
			status := v1alpha1.GitLabInstanceClusterStatus{}
			rep.apply(&status, 1, time.Unix(0, 0))
			given[rep.Reason] = ""
			for _, c := range status.Conditions {
				if c.Status == metav1.ConditionTrue {
					given[rep.Reason] = c.Type
				}
			}
		}
	}
	for _, reason := range reasonConstants(t) {
		condition, ok := given[reason]
		if !ok {
			t.Errorf("nothing leads to %s", reason)
		}
		for kind, reasons := range kindsOfReasons {
			if slices.Contains(reasons, reason) != (kind == condition) {
				t.Errorf("%s comes with %q, listed under %q: %t", reason, condition, kind, slices.Contains(reasons, reason))
			}
		}
		delete(given, reason)
	}
	for reason := range given {
		t.Errorf("%q is no reason of the API", reason)
	}
}

// reasonConstants are the values of all constants Reason… of the API.
func reasonConstants(t *testing.T) []string {
	file, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || spec.Names[0].Name != "Reason"+value {
			t.Errorf("%s is %q (%v)", spec.Names[0].Name, value, err)
		}
		reasons = append(reasons, value)
		return true
	})
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons found", len(reasons))
	}
	return reasons
}
