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

// Reasons of Ready=True: nobody has to do anything.
const (
	// ReasonSynced: GitLab's cluster equals the spec and has the current token.
	ReasonSynced = "Synced"
	// ReasonDrifted: as Synced but for what status.driftedFields lists, which driftPolicy Report leaves alone; the user
	// edits the spec or GitLab, or sets driftPolicy to Correct.
	ReasonDrifted = "Drifted"
)

// Reasons of Ready=False with Reconciling=True: the manager moves next, by itself.
const (
	// ReasonGitLabUnreachable: no connection to GitLab came about, or it broke; retried with backoff.
	ReasonGitLabUnreachable = "GitLabUnreachable"
	// ReasonRateLimited: GitLab asked for fewer requests; retried when GitLab said.
	ReasonRateLimited = "RateLimited"
	// ReasonGitLabError: GitLab answered with a server error or unreadably; retried with backoff.
	ReasonGitLabError = "GitLabError"
	// ReasonResolvingCreate: whether the last request to add the cluster took effect is not known yet; the manager
	// lists GitLab's clusters until it is.
	ReasonResolvingCreate = "ResolvingCreate"
	// ReasonSecretNotFound: a Secret that the spec names is not there yet; goes on at once when it appears.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonDeleting: the object is being deleted and the manager is at it.
	ReasonDeleting = "Deleting"
	// ReasonDeletionBlocked: the object is being deleted and something is in the way; the message says what, and that
	// deletionPolicy Orphan releases the object.
	ReasonDeletionBlocked = "DeletionBlocked"
)

// Reasons of Ready=False with Stalled=True: somebody else moves next. The manager still looks now and then, because
// rights, flags and networks are mended in GitLab without an event in Kubernetes.
const (
	// ReasonClusterNotFound: spec.clusterID names no cluster in GitLab; the user corrects or removes it.
	ReasonClusterNotFound = "ClusterNotFound"
	// ReasonSecretForbidden: Kubernetes denies the manager a Secret; who installed the manager grants the rule that the
	// message names.
	ReasonSecretForbidden = "SecretForbidden"
	// ReasonInvalidSecret: a Secret's content cannot be used; the user corrects the key that the message names.
	ReasonInvalidSecret = "InvalidSecret"
	// ReasonUnauthorized: GitLab does not accept the access token (401); the user puts a valid one into the Secret.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden: the access token is not enough (403); it must be an administrator's, with scope api, and admin_mode
	// where GitLab has Admin Mode on.
	ReasonForbidden = "Forbidden"
	// ReasonFeatureDisabled: GitLab's clusters API is off, removed, or not at this address; a GitLab administrator
	// enables the feature flag certificate_based_clusters.
	ReasonFeatureDisabled = "FeatureDisabled"
	// ReasonTLSVerificationFailed: GitLab's certificate cannot be verified; the user sets or corrects
	// spec.gitlab.caSecretRef.
	ReasonTLSVerificationFailed = "TLSVerificationFailed"
	// ReasonUnexpectedRedirect: GitLab's address redirects, which is never followed; the user corrects spec.gitlab.url.
	ReasonUnexpectedRedirect = "UnexpectedRedirect"
	// ReasonScopeConflict: the environment scope belongs to another cluster or object, which the message names; the user
	// changes one of them, or lets this object adopt the cluster.
	ReasonScopeConflict = "ScopeConflict"
	// ReasonRejectedByGitLab: GitLab refused the values (400) or did not keep them; the message quotes GitLab per field.
	ReasonRejectedByGitLab = "RejectedByGitLab"
	// ReasonNotEditable: the cluster was made by GitLab on gcp or aws and cannot be edited; the user chooses another.
	ReasonNotEditable = "NotEditable"
	// ReasonIdentityMismatch: the recorded id now belongs to another cluster or another GitLab; nothing is written until
	// the user corrects spec.gitlab.url or sets deletionPolicy to Orphan and recreates the object.
	ReasonIdentityMismatch = "IdentityMismatch"
	// ReasonAuthorizationTypeMismatch: the adopted cluster has another authorization type, which GitLab cannot change;
	// the user sets spec.kubernetes.authorizationType to what GitLab has.
	ReasonAuthorizationTypeMismatch = "AuthorizationTypeMismatch"
)

// ReasonSuspended is the reason of Ready=Unknown: spec.suspend is true and the user moves next.
const ReasonSuspended = "Suspended"

// Stalls reports whether a reason of Ready=False means that somebody else has to move first; with all others the
// manager goes on by itself.
func Stalls(reason string) bool {
	switch reason {
	case ReasonClusterNotFound, ReasonSecretForbidden, ReasonInvalidSecret, ReasonUnauthorized, ReasonForbidden,
		ReasonFeatureDisabled, ReasonTLSVerificationFailed, ReasonUnexpectedRedirect, ReasonScopeConflict,
		ReasonRejectedByGitLab, ReasonNotEditable, ReasonIdentityMismatch, ReasonAuthorizationTypeMismatch:
		return true
	}
	return false
}
