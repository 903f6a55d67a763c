// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

var epoch = time.Date(2020, 7, 14, 18, 36, 10, 440e6, time.UTC)

func TestAnswersAClusterAsGitLabDoes(t *testing.T) {
	g := start(t, simulator.Options{ExternalURL: "https://gitlab.example.com", Now: func() time.Time { return epoch }})
	g.AddProject(simulator.Project{ID: 2, Name: "project2", PathWithNamespace: "john/project2", NameWithNamespace: "John / project2"})
	entity := `{"id":1,"name":"a cluster","created_at":"2020-07-14T18:36:10.440Z","domain":null,"enabled":true,"managed":true,` +
		`"provider_type":"user","platform_type":"kubernetes","environment_scope":"*","cluster_type":"instance_type",` +
		`"namespace_per_environment":true,"user":{"id":1,"username":"root","public_email":null,"name":"Administrator",` +
		`"state":"active","locked":false,"avatar_url":null,"web_url":"https://gitlab.example.com/root"},` +
		`"platform_kubernetes":{"api_url":"https://kubernetes.example.com","namespace":null,"authorization_type":"rbac","ca_cert":null},` +
		`"provider_gcp":null,"management_project":{"id":2,"description":null,"name":"project2","name_with_namespace":"John / project2",` +
		`"path":"project2","path_with_namespace":"john/project2","created_at":"2020-07-14T18:36:10.440Z"}`
	g.do("POST", clusters+"/add", body("*", `"management_project_id":2`)).want(t, 201, entity+"}")
	g.do("GET", clusters+"/1", "").want(t, 200, entity+"}")
	g.do("GET", clusters, "").want(t, 200, "["+entity+"}]")
	r := g.do("PUT", clusters+"/1", `{}`)
	r.want(t, 200, entity+`,"project":null}`)
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if r.header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	if r := g.do(http.MethodHead, clusters+"/1", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
}

func TestWritesTimesInItsZone(t *testing.T) {
	g := start(t, simulator.Options{Zone: time.FixedZone("", 2*3600), Now: func() time.Time { return epoch }})
	g.add(body("*"))
	g.do("GET", clusters+"/1", "").wantField(t, "created_at", `"2020-07-14T20:36:10.440+02:00"`)
}

func TestAddsWithDefaults(t *testing.T) {
	g := start(t, simulator.Options{})
	const required = `"name":"n","` + pk + `":{"api_url":"https://a.example.com","token":"t"`
	for _, given := range []string{
		`{` + required + `}}`,
		`{` + required + `,"authorization_type":null},"enabled":null,"managed":null,"environment_scope":null,"namespace_per_environment":null,"domain":null,"management_project_id":null}`,
		`{` + required + `},"enabled":"","managed":"","namespace_per_environment":""}`,
	} {
		r := g.do("POST", clusters+"/add", given)
		for field, want := range map[string]string{
			"enabled": "true", "managed": "true", "environment_scope": `"*"`, "namespace_per_environment": "true", "domain": "null",
			"management_project": "null", "platform_kubernetes.authorization_type": `"rbac"`,
		} {
			r.wantField(t, field, want)
		}
		for _, c := range g.Clusters() {
			g.do("DELETE", clusters+"/"+decimal(c.ID), "")
		}
	}
	for _, kind := range []string{"abac", "unknown_authorization"} {
		g.do("POST", clusters+"/add", platformBody(kind, `"authorization_type":"`+kind+`"`)).
			wantField(t, "platform_kubernetes.authorization_type", `"`+kind+`"`)
	}
	g.do("POST", clusters+"/add", body("off", `"enabled":false`, `"managed":false`, `"namespace_per_environment":false`)).
		wantField(t, "managed", "false")
}

func TestEditsOnlyWhatIsSentButForTheNamespacePerEnvironment(t *testing.T) {
	g := start(t, simulator.Options{})
	all := platformBody("*", `"namespace":"ns"`, `"managed":false`, `"enabled":false`, `"domain":"a.com"`, `"namespace_per_environment":false`)
	g.add(all)
	r := g.do("PUT", clusters+"/1", `{"name":"b","namespace_per_environment":false}`)
	for field, want := range map[string]string{"managed": "false", "enabled": "false", "domain": `"a.com"`,
		"platform_kubernetes.namespace": `"ns"`, "namespace_per_environment": "false", "name": `"b"`} {
		r.wantField(t, field, want)
	}
	for _, reset := range []string{`{}`, `{"domain":"b.com"}`, `{"namespace_per_environment":null}`} {
		if err := g.EditOutOfBand(1, func(c *simulator.Cluster) { c.NamespacePerEnvironment = false }); err != nil {
			t.Fatal(err)
		}
		g.do("PUT", clusters+"/1", reset).wantField(t, "namespace_per_environment", "true")
	}
}

func TestTakesNullsAsTheirColumnsDo(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*", `"domain":"a.com"`))
	g.do("PUT", clusters+"/1", `{"enabled":null}`).wantField(t, "enabled", "null")
	g.do("PUT", clusters+"/1", `{"domain":null,"name":"kept","managed":null}`).want(t, 500, `{"message":"500 Internal Server Error"}`)
	if c := g.stored(1); c.Domain == nil || c.Name == "kept" || !c.Managed {
		t.Errorf("an internal error left %+v", c)
	}
	g.do("PUT", clusters+"/1", `{"environment_scope":null}`).want(t, 400,
		messageBody("environment_scope", "can't be blank", scopeSyntax, "is too short (minimum is 1 character)"))
	g.do("PUT", clusters+"/1", `{"`+pk+`":{"api_url":null}}`).want(t, 400,
		messageBody("platform_kubernetes.api_url", "must be a valid URL", "can't be blank"))
}

func TestForgetsManagedInEditsOfOldVersions(t *testing.T) {
	g := start(t, simulator.Options{IgnoreManagedOnEdit: true})
	g.add(body("*"))
	g.do("PUT", clusters+"/1", `{"managed":false,"enabled":false}`).wantField(t, "managed", "true")
	g.do("PUT", clusters+"/1", `{"managed":null}`).wantField(t, "enabled", "false")
}

func TestGuardsClustersOfProviders(t *testing.T) {
	g := start(t, simulator.Options{})
	made := simulator.NewCluster("made", "gcp")
	made.ID, made.ProviderType = 18, "gcp"
	made.GCP = &simulator.ProviderGCP{ClusterID: 18, StatusName: "created", GCPProjectID: "p", Zone: "z", MachineType: "m", NumNodes: 3}
	g.Seed(made)
	making := made
	making.ID, making.EnvironmentScope, making.GCP = 0, "making", &simulator.ProviderGCP{StatusName: "creating"}
	g.Seed(making)
	aws := simulator.NewCluster("aws", "aws")
	aws.ProviderType = "aws"
	g.Seed(aws)
	if id := g.add(body("*")); id != 21 {
		t.Errorf("the sequence went on at %d", id)
	}
	r := g.do("GET", clusters+"/18", "")
	r.wantField(t, "provider_gcp", `{"cluster_id":18,"endpoint":null,"gcp_project_id":"p","machine_type":"m","num_nodes":3,"status_name":"created","zone":"z"}`)
	g.do("GET", clusters+"/20", "").wantField(t, "provider_type", `"aws"`)
	g.do("PUT", clusters+"/18", `{"domain":"a.com"}`).wantField(t, "domain", `"a.com"`)
	locked := messageBody("platform_kubernetes.base", "Cannot modify managed Kubernetes cluster")
	for _, inner := range []string{`"api_url":"https://b.example.com"`, `"token":"t"`, `"ca_cert":` + quote(certificate(t))} {
		g.do("PUT", clusters+"/18", `{"`+pk+`":{`+inner+`}}`).want(t, 400, locked)
	}
	g.do("PUT", clusters+"/20", `{"`+pk+`":{"token":"t"}}`).want(t, 400, locked)
	g.do("PUT", clusters+"/19", `{"domain":"a.com"}`).want(t, 400, messageBody("base", "Cannot modify provider during creation"))
	g.do("PUT", clusters+"/18", `{"name":"other"}`).want(t, 400,
		messageBody("name", "can not be changed because it's synchronized with provider"))
	g.do("PUT", clusters+"/18", `{"name":"An Other"}`).want(t, 400,
		messageBody("name", "can not be changed because it's synchronized with provider", nameSyntax))
	g.do("PUT", clusters+"/18", `{"name":""}`).want(t, 400,
		messageBody("name", "can not be changed because it's synchronized with provider", "syntax is invalid", nameSyntax))
}

func TestDeletes(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*"))
	r := g.do("DELETE", clusters+"/1", "")
	r.want(t, 204, "")
	if r.header.Get("Content-Type") != "" || r.header.Get("Content-Length") != "" {
		t.Errorf("an empty answer has %v", r.header)
	}
	g.do("DELETE", clusters+"/1", "").want(t, 404, `{"message":"404 Not found"}`)
	if id := g.add(body("*")); id != 2 {
		t.Errorf("an id was used again: %d", id)
	}
}

func TestDeletesOnlyWhatWasNotModifiedSince(t *testing.T) {
	now := epoch
	g := start(t, simulator.Options{Now: func() time.Time { return now }})
	g.add(body("*"))
	since := func(at time.Time) reply {
		return g.do("DELETE", clusters+"/1", "", "If-Unmodified-Since", at.Format(http.TimeFormat))
	}
	since(epoch.Add(-time.Minute)).want(t, 412, `{"message":"412 Precondition Failed"}`)
	now = epoch.Add(time.Hour)
	g.do("PUT", clusters+"/1", `{"name":"b"}`)
	since(epoch.Add(time.Minute)).want(t, 412, `{"message":"412 Precondition Failed"}`)
	g.do("DELETE", clusters+"/1", "", "If-Unmodified-Since", "no time at all").want(t, 204, "")
}

func TestRemembersWhoAdded(t *testing.T) {
	g := start(t, simulator.Options{})
	g.SetToken(simulator.Token{Value: "other-token", User: simulator.User{ID: 7, Username: "ada", Name: "Ada", Admin: true}, Scopes: []string{"api"}})
	g.add(body("*"))
	g.do("PUT", clusters+"/1", `{"name":"b"}`, "Private-Token", "other-token").wantField(t, "user.username", `"root"`)
	g.do("POST", clusters+"/add", body("b"), "Private-Token", "other-token").wantField(t, "user.id", "7")
	if err := g.EditOutOfBand(1, func(c *simulator.Cluster) { c.User = nil }); err != nil {
		t.Fatal(err)
	}
	g.do("GET", clusters+"/1", "").wantField(t, "user", "null")
	if g.EditOutOfBand(99, func(*simulator.Cluster) {}) != simulator.ErrNotFound || g.DeleteOutOfBand(99) != simulator.ErrNotFound {
		t.Error("a cluster that does not exist was changed")
	}
}
