// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab_test

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

const (
	root         = "glpat-SENTINEL-root-0123"
	serviceToken = "SENTINEL-service-account-token"
)

// simulated is a GitLab and a client of it.
func simulated(t *testing.T, change ...func(*simulator.Options)) (*simulator.Simulator, *gitlab.Client) {
	t.Helper()
	options := simulator.Options{Token: root, Hosts: map[string][]netip.Addr{"k8s.example.com": {netip.MustParseAddr("8.8.8.8")}}}
	for _, c := range change {
		c(&options)
	}
	sim := simulator.New(options)
	t.Cleanup(sim.Close)
	server, err := simulator.NewServer(sim, simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return sim, connect(t, server.URL, root)
}

func connect(t *testing.T, url, token string) *gitlab.Client {
	t.Helper()
	client, err := gitlab.NewClient(gitlab.Options{URL: url, Token: gitlab.NewToken(token), Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// certificate is a real one, as GitLab insists.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func plain() gitlab.Attributes {
	return gitlab.Attributes{Name: "a", EnvironmentScope: "a/*", Enabled: true, Managed: true, NamespacePerEnvironment: true,
		APIURL: "https://k8s.example.com", Token: gitlab.NewToken(serviceToken), AuthorizationType: "rbac"}
}

func TestWhatIsAddedAndEditedIsWhatGitLabHas(t *testing.T) {
	sim, client := simulated(t)
	sim.AddProject(simulator.Project{ID: 42})
	ca := certificate(t)
	want := plain()
	have, err := client.Add(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		change func()
		fields []gitlab.Field
	}{
		{"nothing", func() {}, nil},
		{"name", func() { want.Name = "b" }, []gitlab.Field{gitlab.FieldName}},
		{"scope", func() { want.EnvironmentScope = "b/*" }, []gitlab.Field{gitlab.FieldEnvironmentScope}},
		{"domain", func() { want.Domain = "apps.example.com" }, []gitlab.Field{gitlab.FieldDomain}},
		{"no domain", func() { want.Domain = "" }, []gitlab.Field{gitlab.FieldDomain}},
		{"management project", func() { want.ManagementProjectID = 42 }, []gitlab.Field{gitlab.FieldManagementProjectID}},
		{"no management project", func() { want.ManagementProjectID = 0 }, []gitlab.Field{gitlab.FieldManagementProjectID}},
		{"disabled", func() { want.Enabled = false }, []gitlab.Field{gitlab.FieldEnabled}},
		{"one namespace", func() { want.NamespacePerEnvironment = false }, []gitlab.Field{gitlab.FieldNamespacePerEnvironment}},
		{"API URL", func() { want.APIURL += "/" }, []gitlab.Field{gitlab.FieldAPIURL}},
		{"CA", func() { want.CACert = ca + "\n" }, []gitlab.Field{gitlab.FieldCACert}},
		{"own namespace", func() { want.Managed, want.Namespace = false, "Apps" }, []gitlab.Field{gitlab.FieldManaged, gitlab.FieldNamespace}},
		{"managed again", func() { want.Managed, want.Namespace = true, "" }, []gitlab.Field{gitlab.FieldManaged, gitlab.FieldNamespace}},
		{"no CA", func() { want.CACert = "" }, []gitlab.Field{gitlab.FieldCACert}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			fields := gitlab.Differences(want, have)
			if !slices.Equal(fields, step.fields) {
				t.Fatalf("differs in %v, want %v", fields, step.fields)
			}
			answered, err := client.Edit(t.Context(), have.ID, want, fields)
			if err != nil {
				t.Fatal(err)
			}
			read, err := client.Get(t.Context(), have.ID)
			if err != nil {
				t.Fatal(err)
			}
			listed, err := client.List(t.Context())
			if err != nil || len(listed) != 1 {
				t.Fatalf("%v, %v", listed, err)
			}
			for _, have := range []gitlab.Cluster{answered, read, listed[0]} {
				if left := gitlab.Differences(want, have); len(left) != 0 || !gitlab.SameInstant(have.CreatedAt, read.CreatedAt) {
					t.Errorf("after the edit still %v", left)
				}
			}
			have = read
		})
	}
	want.Token = gitlab.NewToken("another-" + serviceToken)
	if _, err := client.Edit(t.Context(), have.ID, want, []gitlab.Field{gitlab.FieldToken}); err != nil {
		t.Fatal(err)
	}
	if stored, _ := sim.Cluster(have.ID); stored.Token != want.Token.Reveal() {
		t.Error("GitLab does not have the rotated token")
	}
	if err := client.Delete(t.Context(), have.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), have.ID); kindOf(t, err) != gitlab.KindNotFound {
		t.Error(err)
	}
}

func kindOf(t *testing.T, err error) gitlab.Kind {
	t.Helper()
	var e *gitlab.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if strings.Contains(err.Error(), "SENTINEL") {
		t.Errorf("a secret in %q", err)
	}
	return e.Kind
}

func TestGitLabsRefusalsAreUnderstood(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*simulator.Simulator)
		change  func(*gitlab.Attributes)
		kind    gitlab.Kind
		says    string
		scope   bool
		mend    bool
	}{
		"a taken scope": {change: func(a *gitlab.Attributes) { a.EnvironmentScope = "taken" }, kind: gitlab.KindInvalid,
			says: "environment_scope: cannot add duplicated environment scope", scope: true},
		"a private address": {change: func(a *gitlab.Attributes) { a.APIURL = "https://10.0.0.1" }, kind: gitlab.KindInvalid,
			says: "platform_kubernetes.api_url: is blocked: Requests to the local network are not allowed"},
		"a bad certificate": {change: func(a *gitlab.Attributes) { a.CACert = "no certificate" }, kind: gitlab.KindInvalid,
			says: "platform_kubernetes.ca_cert: must be a valid PEM certificate"},
		"no such project": {change: func(a *gitlab.Attributes) { a.ManagementProjectID = 99 }, kind: gitlab.KindInvalid,
			says: "management_project_id: Project does not exist or you don't have permission to perform this action"},
		"the feature is off": {prepare: func(s *simulator.Simulator) { s.SetFeature(false) }, kind: gitlab.KindNotFound, says: "404 Not Found"},
		"the API is removed": {prepare: func(s *simulator.Simulator) { s.SetAPIRemoved(true) }, kind: gitlab.KindNotFound, says: "404 Not Found"},
		"an unknown token":   {prepare: func(s *simulator.Simulator) { s.ForgetToken("admin") }, kind: gitlab.KindUnauthorized, says: "401 Unauthorized"},
		"a revoked token": {prepare: func(s *simulator.Simulator) { s.RevokeToken("admin") }, kind: gitlab.KindUnauthorized,
			says: "invalid_token: Token was revoked. You have to re-authorize from the user."},
		"maintenance": {prepare: func(s *simulator.Simulator) { s.SetMaintenance(true) }, kind: gitlab.KindServer,
			says: "GitLab is undergoing maintenance", mend: true},
		"a read-only instance": {prepare: func(s *simulator.Simulator) { s.SetReadOnly(true) }, kind: gitlab.KindForbidden,
			says: "You cannot perform write operations on a read-only instance"},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulated(t)
			sim.Seed(simulator.NewCluster("other", "taken"))
			want := plain()
			if test.change != nil {
				test.change(&want)
			}
			if test.prepare != nil {
				test.prepare(sim)
			}
			_, err := client.Add(t.Context(), want)
			kind := kindOf(t, err)
			var e *gitlab.Error
			errors.As(err, &e)
			if kind != test.kind || e.Message != test.says || e.DuplicateScope() != test.scope || e.Maintenance != test.mend {
				t.Errorf("got %v: %+v", kind, e)
			}
			if e.Refused() == (e.Status >= 500) {
				t.Errorf("refused %t", e.Refused())
			}
			if len(sim.Clusters()) != 1 {
				t.Error("a cluster was added")
			}
		})
	}
}

func TestADisabledFeatureIsNotAnEmptyList(t *testing.T) {
	sim, client := simulated(t, func(o *simulator.Options) { o.FeatureDisabled = true })
	sim.Seed(simulator.NewCluster("a", "a"))
	if clusters, err := client.List(t.Context()); kindOf(t, err) != gitlab.KindDisabled || clusters != nil {
		t.Errorf("%v, %v", clusters, err)
	}
	sim.SetFeature(true)
	if clusters, err := client.List(t.Context()); err != nil || len(clusters) != 1 {
		t.Errorf("%v, %v", clusters, err)
	}
}

func TestALostAnswerIsNotARefusal(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"closed after it was done":  {Point: simulator.AfterHandling, Drop: simulator.DropClose},
		"reset after it was done":   {Point: simulator.AfterHandling, Drop: simulator.DropReset},
		"closed before it was done": {Point: simulator.BeforeHandling, Drop: simulator.DropClose},
		"cut off":                   {Point: simulator.AfterHandling, Cut: 50},
		"cut off at once":           {Point: simulator.AfterHandling, CutAll: true},
		"a proxy's page instead":    {Point: simulator.AfterHandling, Answer: &simulator.Answer{Status: 502, Body: simulator.BadGatewayPage}},
		"another success":           {Point: simulator.AfterHandling, Answer: &simulator.Answer{Status: 200, Body: "{}"}},
		"an answer without an id":   {Point: simulator.AfterHandling, Answer: &simulator.Answer{Status: 201, Body: "{}"}},
		"an answer without an end":  {Point: simulator.AfterHandling, Answer: &simulator.Answer{Status: 201, Endless: true}},
		"a redirect":                {Point: simulator.BeforeHandling, Answer: &simulator.Answer{Status: 302, Redirect: "https://other.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulated(t)
			fault.Method = "POST"
			sim.Inject(fault)
			_, err := client.Add(t.Context(), plain())
			kindOf(t, err)
			var e *gitlab.Error
			if errors.As(err, &e); e.Refused() || !e.Sent {
				t.Errorf("refused %t, sent %t: %v", e.Refused(), e.Sent, e)
			}
			if n := sim.Count("POST", ""); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestAThrottledClientKnowsHowLongToWait(t *testing.T) {
	_, client := simulated(t, func(o *simulator.Options) { o.RateLimit = simulator.RateLimit{Requests: 1, Period: time.Hour} })
	if _, err := client.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := client.Add(t.Context(), plain())
	kind := kindOf(t, err)
	var e *gitlab.Error
	if errors.As(err, &e); kind != gitlab.KindRateLimited || e.RetryAfter <= 0 || e.RetryAfter > time.Hour || e.Message != "Retry later" || !e.Refused() {
		t.Errorf("got %+v", e)
	}
}

func TestAllPagesOfGitLabAreRead(t *testing.T) {
	sim, client := simulated(t)
	for i := range 201 {
		sim.Seed(simulator.NewCluster("a", strings.Repeat("x", i+1)))
	}
	clusters, err := client.List(t.Context())
	if err != nil || len(clusters) != 201 || !slices.IsSortedFunc(clusters, func(a, b gitlab.Cluster) int { return int(a.ID - b.ID) }) {
		t.Errorf("%d clusters, %v", len(clusters), err)
	}
	if n := len(sim.Journal()); n != 3 {
		t.Errorf("%d requests", n)
	}
}
