// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

const pk = "platform_kubernetes_attributes"

func TestRefusesParametersOfAnAdd(t *testing.T) {
	g := start(t, simulator.Options{})
	missing := pk + "[api_url] is missing, " + pk + "[api_url] is empty, " + pk + "[token] is missing"
	invalid := pk + " is invalid, " + pk + "[api_url] is missing, " + pk + "[api_url] is invalid, " +
		pk + "[token] is missing, " + pk + "[token] is invalid"
	good := `"` + pk + `":{"api_url":"https://kubernetes.example.com","token":"t"}`
	for name, test := range map[string]struct{ body, want string }{
		"nothing":                 {`{}`, "name is missing, " + pk + " is missing, " + missing},
		"no body":                 {``, "name is missing, " + pk + " is missing, " + missing},
		"a list":                  {`[1]`, "name is missing, " + pk + " is missing, " + missing},
		"a string":                {`"x"`, "name is missing, " + pk + " is missing, " + missing},
		"no name":                 {`{` + good + `}`, "name is missing"},
		"no platform":             {`{"name":"n"}`, pk + " is missing, " + missing},
		"null platform":           {`{"name":"n","` + pk + `":null}`, missing},
		"empty platform":          {`{"name":"n","` + pk + `":{}}`, missing},
		"text platform":           {`{"name":"n","` + pk + `":"x"}`, invalid},
		"list platform":           {`{"name":"n","` + pk + `":[]}`, pk + " is invalid"},
		"empty api_url":           {`{"name":"n","` + pk + `":{"api_url":"","token":"t"}}`, pk + "[api_url] is empty"},
		"blank api_url":           {`{"name":"n","` + pk + `":{"api_url":"  ","token":"t"}}`, pk + "[api_url] is empty"},
		"null api_url":            {`{"name":"n","` + pk + `":{"api_url":null,"token":"t"}}`, pk + "[api_url] is empty"},
		"list api_url":            {`{"name":"n","` + pk + `":{"api_url":["x"],"token":"t"}}`, pk + "[api_url] is invalid"},
		"no token":                {`{"name":"n","` + pk + `":{"api_url":"https://x.example.com"}}`, pk + "[token] is missing"},
		"wrong authorization":     {platformBody("*", `"authorization_type":"x"`), pk + "[authorization_type] does not have a valid value"},
		"empty authorization":     {platformBody("*", `"authorization_type":""`), pk + "[authorization_type] does not have a valid value"},
		"wrong boolean":           {body("*", `"enabled":"x"`), "enabled is invalid"},
		"two as a boolean":        {body("*", `"managed":2`), "managed is invalid"},
		"wrong integer":           {body("*", `"management_project_id":"x"`), "management_project_id is invalid"},
		"fraction as text":        {body("*", `"management_project_id":"5.0"`), "management_project_id is invalid"},
		"boolean as integer":      {body("*", `"management_project_id":true`), "management_project_id is invalid"},
		"hash as text":            {body("*", `"domain":{"a":1}`), "domain is invalid"},
		"several, in their order": {`{"namespace_per_environment":"x","enabled":"why"}`, "name is missing, enabled is invalid, namespace_per_environment is invalid, " + pk + " is missing, " + missing},
	} {
		t.Run(name, func(t *testing.T) {
			g := *g
			g.t = t
			g.do("POST", clusters+"/add", test.body).want(t, 400, errorBody(test.want))
		})
	}
	if n := len(g.Clusters()); n != 0 {
		t.Errorf("%d clusters were added", n)
	}
}

func TestRefusesParametersOfAnEdit(t *testing.T) {
	g := start(t, simulator.Options{})
	id := g.add(body("*"))
	path := clusters + "/1"
	if id != 1 {
		t.Fatalf("the first id is %d", id)
	}
	for given, want := range map[string]string{
		`{"` + pk + `":""}`:                     pk + " is invalid",
		`{"` + pk + `":[]}`:                     pk + " is invalid",
		`{"` + pk + `":"x"}`:                    pk + " is invalid",
		`{"enabled":"x"}`:                       "enabled is invalid",
		`{"name":[],"managed":2}`:               "name is invalid, managed is invalid",
		`{"` + pk + `":{"token":{"a":1}}}`:      pk + "[token] is invalid",
		`{"management_project_id":"4.5"}`:       "management_project_id is invalid",
		`{"namespace_per_environment":"maybe"}`: "namespace_per_environment is invalid",
	} {
		g.do("PUT", path, given).want(t, 400, errorBody(want))
	}
	g.do("PUT", clusters+"/abc", `{"enabled":"x"}`).want(t, 400, errorBody("cluster_id is invalid, enabled is invalid"))
	for _, harmless := range []string{`{}`, `[]`, `"x"`, `{"` + pk + `":null}`, `{"` + pk + `":{}}`, `{"cluster_id":99}`} {
		if r := g.do("PUT", path, harmless); r.status != 200 {
			t.Errorf("%s: %d %s", harmless, r.status, r.body)
		}
	}
}

func TestCoercesParameters(t *testing.T) {
	g := start(t, simulator.Options{})
	g.AddProject(simulator.Project{ID: 5})
	g.add(body("*"))
	path := clusters + "/1"
	for _, test := range []struct{ given, field, want string }{
		{`"enabled":"FALSE"`, "enabled", "false"},
		{`"enabled":1`, "enabled", "true"},
		{`"enabled":0`, "enabled", "false"},
		{`"enabled":"Yes"`, "enabled", "true"},
		{`"enabled":"no"`, "enabled", "false"},
		{`"enabled":"on"`, "enabled", "true"},
		{`"enabled":"off"`, "enabled", "false"},
		{`"enabled":"t"`, "enabled", "true"},
		{`"enabled":"f"`, "enabled", "false"},
		{`"enabled":"1"`, "enabled", "true"},
		{`"enabled":""`, "enabled", "null"},
		{`"management_project_id":"5"`, "management_project.id", "5"},
		{`"management_project_id":5.7`, "management_project.id", "5"},
		{`"management_project_id":""`, "management_project", "null"},
		{`"management_project_id":" 5 "`, "management_project.id", "5"},
		{`"name":7`, "name", `"7"`},
		{`"name":7.50`, "name", `"7.5"`},
		{`"name":true`, "name", `"true"`},
		{`"namespace_per_environment":"0"`, "namespace_per_environment", "false"},
		{`"namespace_per_environment":""`, "namespace_per_environment", "true"},
	} {
		g.do("PUT", path, "{"+test.given+"}").wantField(t, test.field, test.want)
	}
}

func TestTellsIDsThatAreNoneFromIDsThatAreUnknown(t *testing.T) {
	g := start(t, simulator.Options{})
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		for id, want := range map[string]string{
			"0": `{"message":"404 Not found"}`, "-1": `{"message":"404 Not found"}`, "7": `{"message":"404 Not found"}`,
			"99999999999999999999999": `{"message":"404 Not found"}`,
			"abc":                     `{"error":"cluster_id is invalid"}`, "1.5": `{"error":"cluster_id is invalid"}`,
			"add": `{"error":"cluster_id is invalid"}`,
		} {
			status := 404
			if strings.Contains(want, "invalid") {
				status = 400
			}
			g.do(method, clusters+"/"+id, "").want(t, status, want)
		}
	}
}

func TestReadsFormsAsWellAsJSON(t *testing.T) {
	g := start(t, simulator.Options{})
	form := "name=form&environment_scope=f%2F*&enabled=false&platform_kubernetes_attributes[api_url]=https://a.example.com" +
		"&platform_kubernetes_attributes%5Btoken%5D=from+form&unknown[]=1&unknown[]=2"
	g.do("POST", clusters+"/add", form, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8").
		wantField(t, "environment_scope", `"f/*"`)
	if c := g.stored(1); c.Token != "from form" || *c.Enabled || c.Name != "form" {
		t.Errorf("stored %+v", c)
	}

	var b bytes.Buffer
	parts := multipart.NewWriter(&b)
	for key, value := range map[string]string{"name": "parts", "environment_scope": "p", pk + "[api_url]": "https://b.example.com", pk + "[token]": "t"} {
		if err := parts.WriteField(key, value); err != nil {
			t.Fatal(err)
		}
	}
	_ = parts.Close()
	g.do("POST", clusters+"/add", b.String(), "Content-Type", parts.FormDataContentType()).
		wantField(t, "platform_kubernetes.api_url", `"https://b.example.com"`)

	g.do("POST", clusters+"/add?environment_scope=query&name=lost", `{"name":"body","`+pk+`":{"api_url":"https://c.example.com","token":"t"}}`).
		wantField(t, "environment_scope", `"query"`)
	if name := g.stored(3).Name; name != "body" {
		t.Errorf("the query's name won over the body's: %s", name)
	}
}

func TestRefusesBodiesItCanNotRead(t *testing.T) {
	g := start(t, simulator.Options{})
	malformed := "\nProblem:\n  message body does not match declared format\nResolution:\n  when specifying " +
		"application/json as content-type, you must pass valid application/json in the request's 'body' "
	for _, given := range []string{`{`, `{"name":}`, `{} {}`, `nonsense`} {
		g.do("POST", clusters+"/add", given).wantField(t, "error", quote(malformed))
	}
	g.do("POST", clusters+"/add", "x", "Content-Type", "text/plain").
		want(t, 415, `{"error":"The provided content-type 'text/plain' is not supported."}`)
	g.do("POST", clusters+"/add", "x", "Content-Type", "").
		want(t, 415, `{"error":"The provided content-type '' is not supported."}`)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	g.do("POST", clusters+"/add", deep).want(t, 400, errorBody("Parameters nested too deeply"))
	g.do("POST", clusters+"/add", "["+strings.Repeat("1,", 50_000)+"1]").want(t, 400, errorBody("Array parameter too large"))
	many := "[" + strings.Repeat("1,", 40_000) + "1]"
	g.do("POST", clusters+"/add", "["+many+","+many+","+many+"]").want(t, 400, errorBody("Too many total parameters"))
	if r := g.do("GET", clusters, "", "Content-Type", "text/plain"); r.status != http.StatusOK {
		t.Errorf("a list without a body: %d", r.status)
	}
}

func TestIgnoresUnknownParameters(t *testing.T) {
	g := start(t, simulator.Options{})
	unknown := []string{`"id":77`, `"provider_type":"gcp"`, `"cluster_type":"project_type"`, `"user":null`,
		`"created_at":"2000-01-01"`, `"project":{}`, `"platform_type":null`}
	r := g.do("POST", clusters+"/add", platformBody("*", `"username":"x"`, unknown...))
	r.wantField(t, "id", "1")
	r.wantField(t, "provider_type", `"user"`)
	r.wantField(t, "cluster_type", `"instance_type"`)
	r.wantField(t, "user.username", `"root"`)
	r = g.do("PUT", clusters+"/1", `{"id":5,"provider_type":"aws","`+pk+`":{"authorization_type":"abac","api_uri":"x"}}`)
	r.wantField(t, "id", "1")
	r.wantField(t, "provider_type", `"user"`)
	r.wantField(t, "platform_kubernetes.authorization_type", `"rbac"`)
}

func quote(text string) string {
	return strings.TrimSuffix(strings.TrimPrefix(errorBody(text), `{"error":`), "}")
}
