// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// intent is what the manager was about to add, written to the object right before the request. GitLab's add is not
// idempotent and its answer can be lost, so this is how a later pass, another process or a restored copy of the
// object finds the cluster that the request may have made.
type intent struct {
	// Attempt counts the object's adds from 1; status.refusedAttempt refers to it.
	Attempt int64 `json:"attempt"`
	// GitLabURL is the normalised URL the request goes to.
	GitLabURL string `json:"gitlabURL"`
	// Scope, Name and APIURL are sent as they stand here.
	Scope  string `json:"scope"`
	Name   string `json:"name"`
	APIURL string `json:"apiURL"`
	// TokenSecretVersion is the version of the cluster's token that is sent.
	TokenSecretVersion string `json:"tokenSecretVersion"`
	// GitLabTokenSecret is <uid>/<key> of the Secret that authorises the request. After a change of spec.gitlab.url
	// no other Secret's token is ever sent to GitLabURL.
	GitLabTokenSecret string `json:"gitlabTokenSecret"`
	// HighestID is the highest cluster id known before the request: what the request makes has a higher one.
	HighestID int64 `json:"highestID"`
}

// parseIntent reads the annotation; nil without error if the object has none.
func parseIntent(annotation string) (*intent, error) {
	if annotation == "" {
		return nil, nil
	}
	var in intent
	if err := json.Unmarshal([]byte(annotation), &in); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if in.Attempt < 1 || in.GitLabURL == "" {
		return nil, fmt.Errorf("attempt or gitlabURL is missing")
	}
	return &in, nil
}

// String is the annotation's text.
func (in intent) String() string {
	text, err := json.Marshal(in)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return string(text)
}

// next is the intent of the next attempt. An attempt after one whose outcome was never known keeps that one's highest
// id, so that a cluster the earlier request made is still recognised. Its number is never that of an attempt which was
// refused, even if the annotation was removed since.
func (r recorded) next(w want, o observed) intent {
	in := intent{
		Attempt:            r.Refused + 1,
		GitLabURL:          o.URL,
		Scope:              w.EnvironmentScope,
		Name:               w.Name,
		APIURL:             w.APIURL,
		TokenSecretVersion: w.TokenVersion,
		HighestID:          o.HighestID,
	}
	if last := r.Intent; last != nil {
		in.Attempt = max(last.Attempt, r.Refused) + 1
		if r.open() && last.GitLabURL == in.GitLabURL {
			in.HighestID = min(in.HighestID, last.HighestID)
		}
	}
	return in
}

// made reports whether cluster can be what the intent's request made: added by URL and token, after the intent was
// written, and with the triple of the intent. An edit of the spec does not rename what GitLab has, but a lost edit
// may have: want's triple counts as well.
func (in intent) made(cluster gitlab.Cluster, want gitlab.Attributes) bool {
	return cluster.ProviderType == providerUser && cluster.ID > in.HighestID &&
		(sameTriple(cluster, in.Scope, in.Name, in.APIURL) ||
			sameTriple(cluster, want.EnvironmentScope, want.Name, want.APIURL))
}

func sameTriple(cluster gitlab.Cluster, scope, name, apiURL string) bool {
	return cluster.EnvironmentScope == strings.TrimSpace(scope) && cluster.Name == name &&
		cluster.APIURL == strings.TrimSpace(apiURL)
}
