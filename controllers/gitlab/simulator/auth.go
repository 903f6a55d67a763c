// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// User is an account. Denial, if not "", is why it may not use the API, in GitLab's words.
type User struct {
	ID       int64
	Username string
	Name     string
	Admin    bool
	Denial   string
	// RequireDPoP demands a proof of possession that no client of a plain token can give.
	RequireDPoP bool
}

// Denials of accounts (lib/gitlab/auth/user_access_denied_reason.rb).
const (
	Blocked         = "Your account has been blocked."
	PasswordExpired = "Your password expired. Please access GitLab from a web browser to update your password."
	Deactivated     = "Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate your account at "
)

// Root is the administrator that every GitLab begins with.
func Root() User { return User{ID: 1, Username: "root", Name: "Administrator", Admin: true} }

// Token is a personal access token.
type Token struct {
	Value string
	// Name is how the journal calls it.
	Name string
	// User is its owner; the zero User means Root.
	User   User
	Scopes []string
	// Permissions, if not nil, makes it a fine-grained token that has these instance permissions and no scopes.
	Permissions []string
	// ExpiresAt is the day it ends; zero for none within a year.
	ExpiresAt time.Time
	Revoked   bool

	id      int64
	created time.Time
}

// SetToken makes a token and its owner known, in place of an earlier one of the same value.
func (s *Simulator) SetToken(t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.User.ID == 0 {
		t.User = Root()
	}
	if t.User.Username == "" {
		t.User.Username = fmt.Sprintf("user%d", t.User.ID)
	}
	if t.User.Name == "" {
		t.User.Name = t.User.Username
	}
	if t.Name == "" {
		t.Name = fmt.Sprintf("token%d", len(s.tokens)+1)
	}
	t.id, t.created = int64(len(s.tokens)+1), s.options.Now()
	if t.ExpiresAt.IsZero() {
		t.ExpiresAt = t.created.AddDate(1, 0, 0)
	}
	s.users[t.User.ID] = t.User
	s.tokens[t.Value] = &t
}

// RevokeToken revokes the tokens of a name. GitLab then names the reason; see ForgetToken.
func (s *Simulator) RevokeToken(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if t.Name == name {
			t.Revoked = true
		}
	}
}

// ForgetToken makes the tokens of a name unknown.
func (s *Simulator) ForgetToken(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, t := range s.tokens {
		if t.Name == name {
			delete(s.tokens, value)
		}
	}
}

// caller is who asks. The zero value is nobody.
type caller struct {
	user  User
	token *Token
}

// credential returns the token that a request carries, wherever GitLab looks for one (lib/gitlab/auth/auth_finders.rb).
func credential(c *call) string {
	for _, value := range []string{c.query.Get("private_token"), c.header.Get("Private-Token")} {
		if value != "" {
			return value
		}
	}
	scheme, rest, _ := strings.Cut(c.header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return strings.TrimSpace(rest)
	case "basic":
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			return password
		}
	}
	return c.query.Get("access_token")
}

// authenticate finds the caller, or the answer that refuses the token.
func (s *Simulator) authenticate(c *call) (caller, *answer) {
	token := s.tokens[credential(c)]
	if token == nil || token.Value == "" {
		return caller{}, refuse(messageAnswer(http.StatusUnauthorized, "401 Unauthorized"))
	}
	who := caller{user: s.users[token.User.ID], token: token}
	switch {
	case !s.options.Now().Before(token.ExpiresAt):
		return who, refuse(bearerError(http.StatusUnauthorized, "invalid_token",
			"Token is expired. You can either do re-authorization or token refresh.", ""))
	case token.Revoked:
		return who, refuse(bearerError(http.StatusUnauthorized, "invalid_token",
			"Token was revoked. You have to re-authorize from the user.", ""))
	}
	return who, nil
}

// admit checks that the caller may ask for the route, or returns the refusal. With the sudo parameter or header the
// caller becomes that user.
func (s *Simulator) admit(c *call, who *caller, p params) *answer {
	if a := s.checkScopes(c, *who); a != nil {
		return a
	}
	if u := who.user; u.Denial != "" {
		text := u.Denial
		if text == Deactivated {
			text += s.externalURL(c)
		}
		return refuse(messageAnswer(http.StatusForbidden, "403 Forbidden - "+text))
	}
	if who.user.RequireDPoP {
		return refuse(bearerError(http.StatusUnauthorized, "dpop_error", "DPoP header is missing", ""))
	}
	if a := s.sudo(c, who, p); a != nil {
		return a
	}
	admin := s.isClusters(c) || c.route.endpoint == "features" || strings.HasSuffix(c.route.endpoint, " feature")
	if !admin {
		return nil
	}
	if !who.user.Admin || s.switches.adminMode && !slices.Contains(who.token.Scopes, "admin_mode") &&
		who.token.Permissions == nil {
		return refuse(messageAnswer(http.StatusForbidden, "403 Forbidden"))
	}
	return s.checkPermission(c, *who)
}

// checkScopes refuses a token whose scopes are not those of the route.
func (s *Simulator) checkScopes(c *call, who caller) *answer {
	if who.token.Permissions != nil || c.route.endpoint == "personal_access_tokens/self" {
		return nil
	}
	reading := c.method == http.MethodGet || c.method == http.MethodHead
	listed := []string{"api", "read_api"}
	if c.route.endpoint == "user" || c.route.endpoint == "version" || c.route.endpoint == "metadata" {
		listed = []string{"read_user", "api", "read_api"}
	}
	for _, scope := range listed {
		if slices.Contains(who.token.Scopes, scope) && (scope == "api" || reading) {
			return nil
		}
	}
	return refuse(insufficientScope(strings.Join(listed, " ")))
}

// permissions are those that fine-grained tokens need on the instance.
var permissions = map[string]string{
	"list": "read_cluster", "get": "read_cluster", "add": "create_cluster", "edit": "update_cluster",
	"delete": "delete_cluster",
}

func (s *Simulator) checkPermission(c *call, who caller) *answer {
	need := permissions[c.route.endpoint]
	if who.token.Permissions == nil || need == "" || slices.Contains(who.token.Permissions, need) {
		return nil
	}
	return refuse(bearerError(http.StatusForbidden, "insufficient_granular_scope", "Access denied: This operation "+
		"requires a fine-grained personal access token with the following instance permissions: ["+need+"].", ""))
}

// sudo lets an administrator's token with the scope sudo act as another user.
func (s *Simulator) sudo(c *call, who *caller, p params) *answer {
	as := c.header.Get("Sudo")
	if text, ok := p["sudo"].(string); ok && as == "" {
		as = text
	}
	switch {
	case as == "":
		return nil
	case !slices.Contains(who.token.Scopes, "sudo"):
		return refuse(insufficientScope("sudo"))
	case !who.user.Admin:
		return refuse(messageAnswer(http.StatusForbidden, "403 Forbidden - Must be admin to use sudo"))
	}
	for _, user := range s.users {
		if user.Username == as || decimal(user.ID) == as {
			who.user = user
			return nil
		}
	}
	return refuse(messageAnswer(http.StatusNotFound, "404 User with ID or username '"+as+"' Not Found"))
}

func insufficientScope(scope string) answer {
	return bearerError(http.StatusForbidden, "insufficient_scope",
		"The request requires higher privileges than provided by the access token.", scope)
}

// bearerError is an error of the OAuth 2 resource server that guards the API (lib/api/api_guard.rb).
func bearerError(status int, code, description, scope string) answer {
	a := jsonAnswer(status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Scope       string `json:"scope,omitempty"`
	}{code, description, scope})
	if status == http.StatusUnauthorized {
		a.header = http.Header{"Www-Authenticate": {fmt.Sprintf(
			`Bearer realm="Protected by OAuth 2.0", error=%q, error_description=%q`, code, description)}}
	}
	return a
}

func refuse(a answer) *answer { return &a }

// withoutCredentials is a query as the journal may show it.
func withoutCredentials(query url.Values) string {
	shown := url.Values{}
	for key, values := range query {
		if key == "private_token" || key == "access_token" || key == "job_token" {
			values = []string{"[FILTERED]"}
		}
		shown[key] = values
	}
	return shown.Encode()
}

// publicHeader is a header as the journal may show it.
func publicHeader(header http.Header) http.Header {
	shown := header.Clone()
	for _, key := range []string{"Authorization", "Private-Token", "Job-Token", "Deploy-Token", "Cookie"} {
		shown.Del(key)
	}
	return shown
}
