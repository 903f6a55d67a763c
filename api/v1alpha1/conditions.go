// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types, as kstatus reads them (sigs.k8s.io/cli-utils/pkg/kstatus): of {Ready=True, Reconciling=True,
// Stalled=True} exactly one holds at any time, suspended objects apart.
const (
	// ConditionReady is present always.
	ConditionReady = "Ready"
	// ConditionReconciling is present only while the manager goes on by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present only while somebody else has to move first.
	ConditionStalled = "Stalled"
)

// Reasons of the conditions. Each answers "who moves next, and what do I do?"; the remedy of each stands in
// docs/troubleshooting.md.
const (
	ReasonSynced  = "Synced"
	ReasonDrifted = "Drifted"

	ReasonGitLabUnreachable = "GitLabUnreachable"
	ReasonRateLimited       = "RateLimited"
	ReasonGitLabError       = "GitLabError"
	ReasonResolvingCreate   = "ResolvingCreate"
	ReasonSecretNotFound    = "SecretNotFound"
	ReasonDeleting          = "Deleting"
	ReasonDeletionBlocked   = "DeletionBlocked"

	ReasonClusterNotFound           = "ClusterNotFound"
	ReasonSecretForbidden           = "SecretForbidden"
	ReasonInvalidSecret             = "InvalidSecret"
	ReasonUnauthorized              = "Unauthorized"
	ReasonForbidden                 = "Forbidden"
	ReasonFeatureDisabled           = "FeatureDisabled"
	ReasonTLSVerificationFailed     = "TLSVerificationFailed"
	ReasonUnexpectedRedirect        = "UnexpectedRedirect"
	ReasonScopeConflict             = "ScopeConflict"
	ReasonRejectedByGitLab          = "RejectedByGitLab"
	ReasonNotEditable               = "NotEditable"
	ReasonIdentityMismatch          = "IdentityMismatch"
	ReasonAuthorizationTypeMismatch = "AuthorizationTypeMismatch"

	ReasonSuspended = "Suspended"
)
