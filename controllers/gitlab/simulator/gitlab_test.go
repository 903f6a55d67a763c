// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

const (
	adminToken = "admin-token"
	clusters   = "/api/v4/admin/clusters"
)

// gitlab is a simulator and a plain HTTP client of it.
type gitlab struct {
	*simulator.Simulator
	t      *testing.T
	server *simulator.Server
	client *http.Client
}

func start(t *testing.T, o simulator.Options) *gitlab {
	t.Helper()
	return serve(t, o, simulator.ServerOptions{})
}

func serve(t *testing.T, o simulator.Options, so simulator.ServerOptions) *gitlab {
	t.Helper()
	if o.Token == "" {
		o.Token = adminToken
	}
	sim := simulator.New(o)
	server, err := simulator.NewServer(sim, so)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       20 * time.Second,
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	return &gitlab{Simulator: sim, t: t, server: server, client: client}
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

func (g *gitlab) request(method, path, body string, header ...string) *http.Request {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.server.URL+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Private-Token", adminToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return r
}

// try sends a request as an administrator with a JSON body, unless headers (pairs of name and value) say otherwise.
func (g *gitlab) try(method, path, body string, header ...string) (reply, error) {
	response, err := g.client.Do(g.request(method, path, body, header...))
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}, err
}

func (g *gitlab) do(method, path, body string, header ...string) reply {
	g.t.Helper()
	r, err := g.try(method, path, body, header...)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// want compares a reply with a status and a body.
func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Errorf("got %d %s\nwant %d %s", r.status, r.body, status, body)
	}
}

// field reads a member of a JSON answer by a dotted path; the result is JSON.
func (r reply) field(t *testing.T, path string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(r.body), &value); err != nil {
		t.Fatalf("%v in %d %s", err, r.status, r.body)
	}
	for _, key := range strings.Split(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("no %s in %s", path, r.body)
		}
		if value, ok = object[key]; !ok {
			return "absent"
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (r reply) wantField(t *testing.T, path, value string) {
	t.Helper()
	if got := r.field(t, path); got != value {
		t.Errorf("%s is %s, want %s (%d %s)", path, got, value, r.status, r.body)
	}
}

// body is the JSON of an add whose platform has what GitLab demands; more are members in JSON.
func body(scope string, more ...string) string {
	return platformBody(scope, "", more...)
}

// platformBody adds members to the platform, too.
func platformBody(scope, inner string, more ...string) string {
	if inner != "" {
		inner = "," + inner
	}
	members := append([]string{
		`"name":"a cluster"`, `"environment_scope":"` + scope + `"`,
		`"platform_kubernetes_attributes":{"api_url":"https://kubernetes.example.com","token":"secret"` + inner + `}`,
	}, more...)
	return "{" + strings.Join(members, ",") + "}"
}

// add adds a cluster and returns its id.
func (g *gitlab) add(body string) int64 {
	g.t.Helper()
	r := g.do("POST", clusters+"/add", body)
	if r.status != http.StatusCreated {
		g.t.Fatalf("not added: %d %s", r.status, r.body)
	}
	var added struct{ ID int64 }
	if err := json.Unmarshal([]byte(r.body), &added); err != nil {
		g.t.Fatal(err)
	}
	return added.ID
}

// stored returns a cluster as GitLab has it.
func (g *gitlab) stored(id int64) simulator.Cluster {
	g.t.Helper()
	c, ok := g.Cluster(id)
	if !ok {
		g.t.Fatalf("no cluster %d", id)
	}
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func errorBody(text string) string {
	b, _ := json.Marshal(map[string]string{"error": text})
	return string(b)
}

func messageBody(attribute string, messages ...string) string {
	b := &strings.Builder{}
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(map[string]any{"message": map[string][]string{attribute: messages}})
	return strings.TrimSpace(b.String())
}
