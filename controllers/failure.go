// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// failed reports an error of GitLab's, of the way to it, or of a Secret.
func failed(w want, err error) report {
	var found *problem
	if errors.As(err, &found) {
		return waiting(found.Reason, found.Message, againSlow)
	}
	var e *gitlab.Error
	if !errors.As(err, &e) {
		return waiting(v1alpha1.ReasonGitLabError, err.Error(), againBackoff)
	}
	rep := ofGitLab(w, e)
	var open *fleet.Open
	if errors.As(err, &open) {
		// The connection is probed for all its objects at once, and wakes them when it answers.
		rep.Again = againSlow
	}
	return rep
}

// ofGitLab says what each kind of GitLab's errors means for the object, and what to do about it.
func ofGitLab(w want, e *gitlab.Error) report {
	said := words(e)
	switch e.Kind {
	case gitlab.KindUnreachable:
		return waiting(v1alpha1.ReasonGitLabUnreachable, said+"; trying again, check spec.gitlab.url and the network if it goes on",
			againBackoff)
	case gitlab.KindTLS:
		return waiting(v1alpha1.ReasonTLSVerificationFailed, said+"; put the CA that signed it into a Secret and name "+
			"that in spec.gitlab.caSecretRef, or correct the certificate", againSlow)
	case gitlab.KindRedirect:
		return waiting(v1alpha1.ReasonUnexpectedRedirect, said+"; set spec.gitlab.url to GitLab's own external URL, "+
			"the token is never sent after a redirect", againSlow)
	case gitlab.KindRateLimited:
		return waiting(v1alpha1.ReasonRateLimited, fmt.Sprintf("%s asks to slow down; requests go on when its limit allows",
			w.GitLabURL), againBackoff)
	case gitlab.KindUnauthorized:
		return waiting(v1alpha1.ReasonUnauthorized, fmt.Sprintf("%s does not know the token of spec.gitlab.tokenSecretRef: %s; "+
			"put a valid token into the Secret", w.GitLabURL, said), againSlow)
	case gitlab.KindForbidden:
		return waiting(v1alpha1.ReasonForbidden, fmt.Sprintf("%s forbids it: %s; the token must belong to an administrator and "+
			"have the scope api, and also admin_mode if the instance uses Admin Mode", w.GitLabURL, said), againSlow)
	case gitlab.KindDisabled:
		return waiting(v1alpha1.ReasonFeatureDisabled, fmt.Sprintf("%s does not serve the clusters API: %s; switch the feature "+
			"flag certificate_based_clusters on, and check spec.gitlab.url and that this GitLab version has the API",
			w.GitLabURL, said), againSlow)
	case gitlab.KindInvalid:
		return waiting(v1alpha1.ReasonRejectedByGitLab, said+remedy(said), againSlow)
	case gitlab.KindNotFound:
		return waiting(v1alpha1.ReasonGitLabError, fmt.Sprintf("%s answered %s; looking again", w.GitLabURL, said), againBackoff)
	}
	return waiting(v1alpha1.ReasonGitLabError, fmt.Sprintf("%s answered with an error: %s", w.GitLabURL, said), againBackoff)
}

// words are GitLab's own, in one line: the messages of each field if there are any.
func words(err error) string {
	var e *gitlab.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if len(e.Fields) > 0 {
		var said []string
		for field, messages := range e.Fields {
			said = append(said, field+": "+strings.Join(slices.Compact(messages), ", "))
		}
		slices.Sort(said)
		return excerpt(strings.Join(said, "; "), 300)
	}
	text := e.Message
	if e.Status != 0 && !strings.Contains(text, fmt.Sprint(e.Status)) {
		text = fmt.Sprintf("%d %s", e.Status, text)
	}
	return excerpt(text, 300)
}

// remedies are what is known to cure a refusal of GitLab's, by a part of its words.
var remedies = []struct{ said, remedy string }{
	{"Requests to", "an administrator can allow it in GitLab: Admin area, Settings, Network, Outbound requests"},
	{"must be a valid PEM certificate", "check the certificate in the Secret of spec.kubernetes.caSecretRef"},
	{"Project does not exist or you don't have permission", "correct spec.managementProjectID, or give the token's user access to that project"},
	{"Host cannot be resolved", "check the host name in spec.kubernetes.apiURL and GitLab's DNS"},
	{"cannot add duplicated environment scope", "choose another spec.environmentScope, or free this one in GitLab; a " +
		"management project may have each scope once, too"},
	{"only allowed for project cluster", "set spec.managed to false, or remove spec.kubernetes.namespace"},
}

func remedy(said string) string {
	for _, r := range remedies {
		if strings.Contains(said, r.said) {
			return "; " + r.remedy
		}
	}
	return ""
}
