// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"slices"
	"strings"
)

// flag is the feature flag of the clusters API (config/feature_flags/ops/certificate_based_clusters.yml).
const flag = "certificate_based_clusters"

// handleOther answers the endpoints that clients ask beside the clusters.
func (s *Simulator) handleOther(c *call, who caller, p params) answer {
	switch c.route.endpoint {
	case "user":
		return s.currentUser(c, who)
	case "version":
		return jsonAnswer(http.StatusOK, map[string]any{"version": s.options.Version, "revision": "0000000simulator"})
	case "metadata":
		return jsonAnswer(http.StatusOK, map[string]any{
			"version": s.options.Version, "revision": "0000000simulator", "enterprise": false,
			"kas": map[string]any{"enabled": false, "externalUrl": nil, "externalK8sProxyUrl": nil, "version": nil},
		})
	case "personal_access_tokens/self":
		return s.currentToken(who)
	case "features":
		return answer{status: http.StatusOK, body: slices.Concat([]byte("["), s.feature(), []byte("]"))}
	case "delete feature":
		if c.route.name == flag {
			s.switches.feature = false
		}
		return answer{status: http.StatusNoContent}
	}
	return s.setFeature(c, p)
}

// setFeature is POST /features/:name; only the one flag exists, and only wholly on or off.
func (s *Simulator) setFeature(c *call, p params) answer {
	given, ok := asString(p["value"])
	if _, exists := p["value"]; !exists {
		return errorAnswer(http.StatusBadRequest, "value is missing")
	} else if !ok {
		return errorAnswer(http.StatusBadRequest, "value is invalid")
	}
	if c.route.name != flag {
		return messageAnswer(http.StatusBadRequest, "400 Bad request - Feature flag "+c.route.name+" is not simulated")
	}
	switch given.is {
	case "true", "100":
		s.switches.feature = true
	case "false", "0":
		s.switches.feature = false
	default:
		return messageAnswer(http.StatusBadRequest, "400 Bad request - Percentages are not simulated")
	}
	return answer{status: http.StatusCreated, body: s.feature()}
}

func (s *Simulator) feature() []byte {
	state := "off"
	if s.switches.feature {
		state = "on"
	}
	return encode(map[string]any{
		"name": flag, "state": state,
		"gates":      []any{map[string]any{"key": "boolean", "value": s.switches.feature}},
		"definition": map[string]any{"name": flag, "type": "ops", "default_enabled": false},
	})
}

// currentUser is GET /user.
func (s *Simulator) currentUser(c *call, who caller) answer {
	basic := s.userEntity(c, who.user)
	user := map[string]any{
		"id": basic.ID, "username": basic.Username, "name": basic.Name, "state": basic.State, "locked": basic.Locked,
		"avatar_url": nil, "web_url": basic.WebURL, "public_email": nil, "bot": false, "external": false,
		"email": basic.Username + "@example.com", "created_at": s.timestamp(who.token.created), "two_factor_enabled": false,
		"can_create_group": true, "can_create_project": true, "projects_limit": 100000, "private_profile": false,
		"identities": []any{}, "current_sign_in_at": nil, "last_sign_in_at": nil, "confirmed_at": nil,
		"bio": "", "location": "", "organization": "", "job_title": "", "website_url": "",
	}
	if who.user.Admin {
		user["is_admin"], user["note"], user["namespace_id"] = true, nil, who.user.ID
	}
	return jsonAnswer(http.StatusOK, user)
}

// currentToken is GET /personal_access_tokens/self.
func (s *Simulator) currentToken(who caller) answer {
	t := who.token
	scopes := t.Scopes
	if t.Permissions != nil {
		scopes = []string{"granular"}
	}
	return jsonAnswer(http.StatusOK, map[string]any{
		"id": t.id, "name": t.Name, "revoked": t.Revoked, "created_at": s.timestamp(t.created),
		"description": "", "scopes": append([]string{}, scopes...), "user_id": t.User.ID,
		"last_used_at": s.timestamp(s.options.Now()), "active": true,
		"expires_at": strings.Split(s.timestamp(t.ExpiresAt), "T")[0],
	})
}
