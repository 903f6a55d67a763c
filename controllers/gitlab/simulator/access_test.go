// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

const (
	unauthorized = `{"message":"401 Unauthorized"}`
	forbidden    = `{"message":"403 Forbidden"}`
	noFeature    = `{"message":"404 Not Found"}`
	noRecord     = `{"message":"404 Not found"}`
	noRoute      = `{"error":"404 Not Found"}`
)

func TestFindsTokensWhereGitLabDoes(t *testing.T) {
	g := start(t, simulator.Options{})
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("root:"+adminToken))
	for _, header := range [][]string{
		{"Private-Token", adminToken},
		{"Private-Token", "", "Authorization", "Bearer " + adminToken},
		{"Private-Token", "", "Authorization", "bearer " + adminToken},
		{"Private-Token", "", "Authorization", basic},
	} {
		if r := g.do("GET", clusters, "", header...); r.status != 200 {
			t.Errorf("%v: %d", header, r.status)
		}
	}
	if r := g.do("GET", clusters+"?private_token="+adminToken, "", "Private-Token", ""); r.status != 200 {
		t.Errorf("a token in the query: %d", r.status)
	}
	for _, header := range [][]string{
		{"Private-Token", ""},
		{"Private-Token", "unknown"},
		{"Private-Token", "", "Authorization", "Bearer unknown"},
		{"Private-Token", "", "Job-Token", adminToken},
		{"Private-Token", "", "Deploy-Token", adminToken},
	} {
		for _, method := range []string{"GET", "DELETE"} {
			g.do(method, clusters+"/1", "", header...).want(t, 401, unauthorized)
		}
	}
	g.ForgetToken("admin")
	g.do("GET", clusters, "").want(t, 401, unauthorized)
}

func TestRefusesTokensThatMayNot(t *testing.T) {
	g := start(t, simulator.Options{Now: func() time.Time { return epoch }})
	root := simulator.Root()
	for name, token := range map[string]simulator.Token{
		"expired":     {ExpiresAt: epoch, Scopes: []string{"api"}},
		"revoked":     {Revoked: true, Scopes: []string{"api"}},
		"reading":     {Scopes: []string{"read_api"}},
		"scopeless":   {Scopes: []string{"read_user"}},
		"user":        {User: simulator.User{ID: 2}, Scopes: []string{"api"}},
		"blocked":     {User: simulator.User{ID: 3, Admin: true, Denial: simulator.Blocked}, Scopes: []string{"api"}},
		"deactivated": {User: simulator.User{ID: 4, Admin: true, Denial: simulator.Deactivated}, Scopes: []string{"api"}},
		"password":    {User: simulator.User{ID: 5, Admin: true, Denial: simulator.PasswordExpired}, Scopes: []string{"api"}},
		"dpop":        {User: simulator.User{ID: 6, Admin: true, RequireDPoP: true}, Scopes: []string{"api"}},
		"fine":        {User: root, Permissions: []string{"read_cluster"}},
		"none":        {User: root, Permissions: []string{}},
	} {
		token.Value, token.Name = name+"-token", name
		g.SetToken(token)
	}
	g.SetOutbound(simulator.Outbound{})
	scope := `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api read_api"}`
	granular := func(permission string) string {
		return `{"error":"insufficient_granular_scope","error_description":"Access denied: This operation requires a fine-grained personal access token with the following instance permissions: [` + permission + `]."}`
	}
	for _, test := range []struct {
		token, method, path string
		status              int
		body                string
	}{
		{"expired", "GET", clusters, 401, `{"error":"invalid_token","error_description":"Token is expired. You can either do re-authorization or token refresh."}`},
		{"revoked", "GET", clusters, 401, `{"error":"invalid_token","error_description":"Token was revoked. You have to re-authorize from the user."}`},
		{"reading", "GET", clusters, 200, `[]`},
		{"reading", "POST", clusters + "/add", 403, scope},
		{"reading", "DELETE", clusters + "/1", 403, scope},
		{"scopeless", "GET", clusters, 403, scope},
		{"user", "GET", clusters, 403, forbidden},
		{"user", "DELETE", clusters + "/abc", 403, forbidden},
		{"blocked", "GET", clusters, 403, `{"message":"403 Forbidden - Your account has been blocked."}`},
		{"deactivated", "GET", clusters, 403, `{"message":"403 Forbidden - Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate your account at ` + g.server.URL + `"}`},
		{"password", "GET", clusters, 403, `{"message":"403 Forbidden - Your password expired. Please access GitLab from a web browser to update your password."}`},
		{"dpop", "GET", clusters, 401, `{"error":"dpop_error","error_description":"DPoP header is missing"}`},
		{"fine", "GET", clusters, 200, `[]`},
		{"fine", "POST", clusters + "/add", 403, granular("create_cluster")},
		{"fine", "PUT", clusters + "/1", 403, granular("update_cluster")},
		{"fine", "DELETE", clusters + "/1", 403, granular("delete_cluster")},
		{"none", "GET", clusters + "/1", 403, granular("read_cluster")},
	} {
		r := g.do(test.method, test.path, "", "Private-Token", test.token+"-token")
		r.want(t, test.status, test.body)
		if strings.Contains(test.body, "invalid_token") &&
			!strings.HasPrefix(r.header.Get("WWW-Authenticate"), `Bearer realm="Protected by OAuth 2.0", error="invalid_token"`) {
			t.Errorf("WWW-Authenticate is %q", r.header.Get("WWW-Authenticate"))
		}
	}
	g.RevokeToken("admin")
	g.do("GET", clusters, "").wantField(t, "error", `"invalid_token"`)
}

func TestDemandsAdminModeOfAdministrators(t *testing.T) {
	g := start(t, simulator.Options{AdminMode: true})
	g.SetToken(simulator.Token{Value: "plain-token", Scopes: []string{"api"}})
	g.do("GET", clusters, "", "Private-Token", "plain-token").want(t, 403, forbidden)
	g.do("GET", clusters, "").want(t, 200, "[]")
	g.SetAdminMode(false)
	g.do("GET", clusters, "", "Private-Token", "plain-token").want(t, 200, "[]")
}

func TestActsAsAnotherUserWithSudo(t *testing.T) {
	g := start(t, simulator.Options{})
	g.SetToken(simulator.Token{Value: "sudo-token", Scopes: []string{"api", "sudo"}})
	g.SetToken(simulator.Token{Value: "user-token", User: simulator.User{ID: 2, Username: "ada"}, Scopes: []string{"api", "sudo"}})
	g.do("GET", clusters, "", "Sudo", "root").
		want(t, 403, `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"sudo"}`)
	g.do("GET", clusters, "", "Private-Token", "user-token", "Sudo", "root").want(t, 403, `{"message":"403 Forbidden - Must be admin to use sudo"}`)
	g.do("GET", clusters, "", "Private-Token", "sudo-token", "Sudo", "ada").want(t, 403, forbidden)
	g.do("GET", clusters+"?sudo=1", "", "Private-Token", "sudo-token").want(t, 200, "[]")
	g.do("GET", clusters, "", "Private-Token", "sudo-token", "Sudo", "nobody").want(t, 404, `{"message":"404 User with ID or username 'nobody' Not Found"}`)
}

func TestTellsThreeKindsOf404(t *testing.T) {
	g := start(t, simulator.Options{})
	g.do("GET", clusters+"/7", "").want(t, 404, noRecord)
	for _, wrong := range [][2]string{{"PATCH", clusters + "/1"}, {"POST", clusters}, {"POST", clusters + "/1"}, {"PUT", clusters},
		{"DELETE", clusters}, {"GET", "/api/v4/admin/clusters/1/x"}, {"GET", "/api/v4/nothing"}, {"GET", "/api/v4"}, {"GET", "/api/v4/admin/clustersx"}} {
		g.do(wrong[0], wrong[1], "").want(t, 404, noRoute)
	}
	g.SetFeature(false)
	for _, r := range [][2]string{{"GET", clusters}, {"GET", clusters + "/abc"}, {"POST", clusters + "/add"}, {"DELETE", clusters + "/1"}} {
		g.do(r[0], r[1], "").want(t, 404, noFeature)
	}
	g.SetFeature(true)
	g.SetAPIRemoved(true)
	g.do("GET", clusters, "", "Private-Token", "").want(t, 404, noRoute)
	g.do("POST", clusters+"/add", body("*")).want(t, 404, noRoute)
}

// TestChecksInOrder takes the first of all wrongs away, one after the other.
func TestChecksInOrder(t *testing.T) {
	g := start(t, simulator.Options{AdminMode: true, FeatureDisabled: true, RateLimit: simulator.RateLimit{Requests: 1},
		Now: func() time.Time { return epoch }})
	g.SetToken(simulator.Token{Value: "plain-token", User: simulator.User{ID: 1, Username: "root", Admin: true}, Scopes: []string{"api"}})
	g.do("GET", clusters, "")
	g.do("PUT", clusters+"/1", "{").want(t, 429, "Retry later\n")
	g.SetRateLimit(simulator.RateLimit{})
	g.do("PUT", clusters+"/1", "{", "Private-Token", "").wantField(t, "error", quote("\nProblem:\n  message body does not match declared format\nResolution:\n  when specifying application/json as content-type, you must pass valid application/json in the request's 'body' "))
	wrong := `{"enabled":"x"}`
	g.do("PUT", clusters+"/1", wrong, "Private-Token", "").want(t, 401, unauthorized)
	g.do("PUT", clusters+"/1", wrong, "Private-Token", "plain-token").want(t, 403, forbidden)
	g.SetAdminMode(false)
	g.do("PUT", clusters+"/1", wrong, "Private-Token", "plain-token").want(t, 404, noFeature)
	g.SetFeature(true)
	g.do("PUT", clusters+"/1", wrong).want(t, 400, errorBody("enabled is invalid"))
	g.do("PUT", clusters+"/1", `{"name":""}`).want(t, 404, noRecord)
	g.add(body("*"))
	g.do("PUT", clusters+"/1", `{"name":""}`).want(t, 400, messageBody("name", "has to be present"))
}

func TestSwitchesTheFeatureByItsOwnAPI(t *testing.T) {
	g := start(t, simulator.Options{FeatureDisabled: true})
	g.Seed(simulator.NewCluster("kept", "*"))
	const path = "/api/v4/features/certificate_based_clusters"
	g.do("GET", clusters, "").want(t, 404, noFeature)
	r := g.do("POST", path, "value=true", "Content-Type", "application/x-www-form-urlencoded")
	r.wantField(t, "state", `"on"`)
	if r.status != http.StatusCreated {
		t.Errorf("status %d", r.status)
	}
	g.do("GET", clusters+"/1", "").wantField(t, "name", `"kept"`)
	if r := g.do("GET", "/api/v4/features", ""); r.status != 200 || !strings.Contains(r.body, `"certificate_based_clusters"`) {
		t.Errorf("features: %d %s", r.status, r.body)
	}
	g.do("POST", path, `{"value":false}`).wantField(t, "state", `"off"`)
	g.do("GET", clusters, "").want(t, 404, noFeature)
	g.do("POST", path, `{}`).want(t, 400, errorBody("value is missing"))
	if r := g.do("POST", path, `{"value":"50"}`); r.status != 400 {
		t.Errorf("half on: %d", r.status)
	}
	g.do("POST", path, `{"value":100}`).wantField(t, "state", `"on"`)
	g.do("DELETE", path, "").want(t, 204, "")
	g.do("GET", clusters, "").want(t, 404, noFeature)
	g.SetToken(simulator.Token{Value: "user-token", User: simulator.User{ID: 2}, Scopes: []string{"api"}})
	g.do("POST", path, `{"value":true}`, "Private-Token", "user-token").want(t, 403, forbidden)
}

func TestSaysWhoItIsAndWhoAsks(t *testing.T) {
	g := start(t, simulator.Options{Version: "17.5.0", Now: func() time.Time { return epoch }})
	g.SetToken(simulator.Token{Value: "user-token", Name: "mine", User: simulator.User{ID: 2, Username: "ada"}, Scopes: []string{"read_user"}, ExpiresAt: epoch.AddDate(0, 1, 0)})
	g.do("GET", "/api/v4/version", "").wantField(t, "version", `"17.5.0"`)
	g.do("GET", "/api/v4/metadata", "").wantField(t, "enterprise", "false")
	g.do("GET", "/api/v4/version", "", "Private-Token", "").want(t, 401, unauthorized)
	g.do("GET", "/api/v4/user", "").wantField(t, "is_admin", "true")
	r := g.do("GET", "/api/v4/user", "", "Private-Token", "user-token")
	r.wantField(t, "username", `"ada"`)
	r.wantField(t, "is_admin", "absent")
	r = g.do("GET", "/api/v4/personal_access_tokens/self", "", "Private-Token", "user-token")
	r.wantField(t, "name", `"mine"`)
	r.wantField(t, "scopes", `["read_user"]`)
	r.wantField(t, "user_id", "2")
	r.wantField(t, "expires_at", `"2020-08-14"`)
	r.wantField(t, "active", "true")
	if strings.Contains(r.body, "user-token") {
		t.Error("the token is shown")
	}
}

func TestThrottlesInFixedWindows(t *testing.T) {
	now := time.Unix(1_000_000_030, 0)
	g := start(t, simulator.Options{RateLimit: simulator.RateLimit{Requests: 2, Period: 2 * time.Minute}, Now: func() time.Time { return now }})
	for range 2 {
		r := g.do("GET", clusters, "")
		if r.status != 200 || r.header.Get("RateLimit-Limit") != "" {
			t.Errorf("%d %v", r.status, r.header)
		}
	}
	r := g.do("POST", clusters+"/add", body("*"))
	r.want(t, 429, "Retry later\n")
	reset := now.Unix() - now.Unix()%120 + 120
	for key, want := range map[string]string{
		"Content-Type": "text/plain", "RateLimit-Name": "throttle_authenticated_api", "RateLimit-Limit": "1", "RateLimit-Observed": "3",
		"RateLimit-Remaining": "0", "RateLimit-Reset": decimal(reset), "Retry-After": decimal(reset - now.Unix()),
		"RateLimit-ResetTime": time.Unix(reset, 0).UTC().Format(http.TimeFormat),
	} {
		if got := r.header.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	g.SetToken(simulator.Token{Value: "other-token", User: simulator.User{ID: 2, Admin: true}, Scopes: []string{"api"}})
	g.do("GET", clusters, "", "Private-Token", "other-token").want(t, 200, "[]")
	g.do("GET", clusters, "", "Private-Token", "").want(t, 401, unauthorized)
	now = time.Unix(reset, 0)
	g.do("GET", clusters, "").want(t, 200, "[]")
	g.SetRateLimit(simulator.RateLimit{Requests: 10, Headers: true})
	r = g.do("GET", clusters, "")
	if r.status != 200 || r.header.Get("RateLimit-Remaining") != "9" || r.header.Get("Retry-After") != "" || r.header.Get("RateLimit-Limit") != "1" {
		t.Errorf("%d %v", r.status, r.header)
	}
}

func TestRefusesWritesWhenReadOnlyOrMaintained(t *testing.T) {
	g := start(t, simulator.Options{ExternalURL: "https://gitlab.example.com/gitlab"})
	g.add(body("*"))
	check := func(status int, text string) {
		t.Helper()
		for _, r := range [][3]string{{"POST", clusters + "/add", body("b")}, {"PUT", clusters + "/1", "{}"}, {"DELETE", clusters + "/1", ""}} {
			g.do(r[0], r[1], r[2], "Content-Type", "application/json").want(t, status, text)
		}
		r := g.do("DELETE", clusters+"/1", "")
		if r.status != 301 || r.header.Get("Location") != "https://gitlab.example.com/gitlab/" {
			t.Errorf("a write that is not JSON: %d %s", r.status, r.header.Get("Location"))
		}
		if r := g.do("GET", clusters, ""); r.status != 200 {
			t.Errorf("a list: %d", r.status)
		}
	}
	g.SetReadOnly(true)
	check(403, `{"message":"You cannot perform write operations on a read-only instance"}`)
	g.SetReadOnly(false)
	g.SetMaintenance(true)
	check(503, `{"message":"GitLab is undergoing maintenance"}`)
	g.SetMaintenance(false)
	g.do("DELETE", clusters+"/1", "").want(t, 204, "")
}

func TestServesBelowARelativeURLRoot(t *testing.T) {
	g := start(t, simulator.Options{BasePath: "gitlab/"})
	if !strings.HasSuffix(g.server.URL, "/gitlab") {
		t.Fatalf("its address is %s", g.server.URL)
	}
	g.do("GET", clusters, "").want(t, 200, "[]")
	if path := g.Journal()[0].Path; path != clusters {
		t.Errorf("the journal has %s", path)
	}
	above := strings.TrimSuffix(g.server.URL, "/gitlab") + clusters
	request, _ := http.NewRequestWithContext(t.Context(), "GET", above, nil)
	request.Header.Set("Private-Token", adminToken)
	response, err := g.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 404 || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		t.Errorf("outside the root: %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	if r := g.do("GET", "/", ""); r.status != 302 || r.header.Get("Location") != g.server.URL+"/users/sign_in" {
		t.Errorf("the web interface: %d %v", r.status, r.header)
	}
	g.do("GET", "/-/health", "").want(t, 200, "GitLab OK")
	if r := g.do("GET", "/gitlab"+clusters, ""); r.status != 404 || strings.HasPrefix(r.body, "{") {
		t.Errorf("the root twice: %d %s", r.status, r.body)
	}
}
