// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

func TestShowsTheJournalToOthersWithoutSecrets(t *testing.T) {
	g := start(t, simulator.Options{BasePath: "/gitlab"})
	g.add(body("*"))
	g.do("PUT", clusters+"/1", "platform_kubernetes_attributes[token]=secret&name=n", "Content-Type", "application/x-www-form-urlencoded")
	g.do("PUT", clusters+"/1", "secret", "Content-Type", "text/plain")
	g.do("PUT", clusters+"/1?private_token="+adminToken, `{"platform_kubernetes_attributes":{"token":"secret`)
	r := g.do("GET", "/-/simulator/journal", "")
	for _, secret := range []string{"secret", adminToken} {
		if strings.Contains(r.body, secret) {
			t.Errorf("%s is shown in %s", secret, r.body)
		}
	}
	for _, want := range []string{`\"token\":\"[FILTERED]\"`, "name=n", `"status":415`, `"cluster_id":1`, `"counts":{"add":1,"edit":3}`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %s in %s", want, r.body)
		}
	}
	if r := g.do("GET", "/-/simulator/journal?since=2", ""); strings.Contains(r.body, `"endpoint":"add"`) || !strings.Contains(r.body, `"seq":3`) {
		t.Errorf("since 2: %s", r.body)
	}
	g.do("GET", "/-/simulator/counts", "").want(t, 200, "{\"add\":1,\"edit\":3}\n")
	g.do("DELETE", "/-/simulator/journal", "").want(t, 204, "")
	g.do("GET", "/-/simulator/counts", "").want(t, 200, "{}\n")
	g.do("GET", "/-/simulator/clusters/1/token-sha256", "").want(t, 200, fmt.Sprintf("%x\n", sha256.Sum256([]byte("secret"))))
	if r := g.do("GET", "/-/simulator/clusters/2/token-sha256", ""); r.status != 404 {
		t.Errorf("an unknown cluster: %d", r.status)
	}
}

func TestPullsSwitchesForOthers(t *testing.T) {
	g := start(t, simulator.Options{})
	r := g.do("PATCH", "/-/simulator/switches", `{"feature":false,"latency":"1ms","rate_limit":{"requests":5,"period":"1m0s","headers":true}}`)
	r.wantField(t, "feature", "false")
	r.wantField(t, "admin_mode", "false")
	g.do("GET", "/-/simulator/switches", "").wantField(t, "rate_limit", `{"headers":true,"period":"1m0s","requests":5}`)
	g.do("GET", clusters, "").want(t, 404, noFeature)
	g.do("PATCH", "/-/simulator/switches", `{"feature":true,"allow_local_requests":true,"rate_limit":{}}`)
	g.do("POST", clusters+"/add", `{"name":"n","`+pk+`":{"api_url":"https://10.0.0.1","token":"t"}}`).wantField(t, "id", "1")
	if r := g.do("PATCH", "/-/simulator/switches", `{"featur":true}`); r.status != 400 {
		t.Errorf("an unknown switch: %d", r.status)
	}
	if r := g.do("POST", "/-/simulator/projects", `{"id":42}`); r.status != 201 {
		t.Errorf("a project: %d", r.status)
	}
	g.do("PUT", clusters+"/1", `{"management_project_id":42}`).wantField(t, "management_project.id", "42")
	g.do("DELETE", "/-/simulator/projects/42", "").want(t, 204, "")
	g.do("GET", clusters+"/1", "").wantField(t, "management_project", "null")
}

func TestInjectsFaultsForOthers(t *testing.T) {
	g := start(t, simulator.Options{})
	post := func(fault string) reply { return g.do("POST", "/-/simulator/faults", fault) }
	post(`{"endpoint":"list","times":1,"answer":{"status":502,"header":{"Content-Type":"text/html"},"body":"<html>"}}`).wantField(t, "number", "1")
	g.do("GET", clusters, "").want(t, 502, "<html>")
	g.do("GET", clusters, "").want(t, 200, "[]")
	post(`{"method":"POST","times":1,"point":"after","drop":"reset"}`).wantField(t, "number", "2")
	if _, err := g.try("POST", clusters+"/add", body("*")); err == nil {
		t.Error("an answer came")
	}
	if r := g.do("GET", "/-/simulator/faults", ""); !strings.Contains(r.body, `"number":2,"hits":1`) {
		t.Errorf("faults: %s", r.body)
	}
	post(`{"endpoint":"get","hold":true,"name":"held"}`).wantField(t, "number", "3")
	done := make(chan reply)
	go func() {
		r, _ := g.try("GET", clusters+"/1", "")
		done <- r
	}()
	if _, err := g.Wait(within(t, 10*time.Second), func(e simulator.Entry) bool { return e.Fault == "held" }); err != nil {
		t.Fatal(err)
	}
	g.do("POST", "/-/simulator/faults/3/release", "").want(t, 204, "")
	if r := <-done; r.status != 200 {
		t.Errorf("released: %d", r.status)
	}
	g.do("DELETE", "/-/simulator/faults/3", "").want(t, 204, "")
	if r := g.do("DELETE", "/-/simulator/faults/3", ""); r.status != 404 {
		t.Errorf("removed twice: %d", r.status)
	}
	g.do("DELETE", "/-/simulator/faults", "").want(t, 204, "")
	g.do("GET", "/-/simulator/faults", "").want(t, 200, "[]\n")
	for _, wrong := range []string{`{"point":"x"}`, `{"drop":"x"}`, `{"answer":{"status":1}}`, `{"path":"("}`, `{"tmes":1}`, `{"delay":"x"}`, `{`} {
		if r := post(wrong); r.status != 400 {
			t.Errorf("%s: %d", wrong, r.status)
		}
	}
}
