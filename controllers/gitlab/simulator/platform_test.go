// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/pem"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// certificate is a PEM certificate with a line end.
func certificate(t *testing.T) string {
	t.Helper()
	ca, err := simulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return string(ca.PEM())
}

func TestStripsWhatItStoresOfThePlatform(t *testing.T) {
	g := start(t, simulator.Options{})
	ca := certificate(t)
	r := g.do("POST", clusters+"/add", `{"name":"n","managed":false,"`+pk+`":{"api_url":" https://A.example.com/x/ ",`+
		`"token":"\n secret\t","ca_cert":`+quote("\n"+ca+"\n")+`,"namespace":"Team-A"}}`)
	r.wantField(t, "platform_kubernetes.api_url", `"https://A.example.com/x/"`)
	r.wantField(t, "platform_kubernetes.ca_cert", quote(strings.TrimSpace(ca)))
	r.wantField(t, "platform_kubernetes.namespace", `"team-a"`)
	r.wantField(t, "platform_kubernetes.token", "absent")
	if token := g.stored(1).Token; token != "secret" {
		t.Errorf("stored token %q", token)
	}
	// What was stored otherwise is left alone as long as the platform is.
	if err := g.EditOutOfBand(1, func(c *simulator.Cluster) { c.Token, c.Namespace = " odd ", new("Odd") }); err != nil {
		t.Fatal(err)
	}
	g.do("PUT", clusters+"/1", `{"name":"m"}`).wantField(t, "platform_kubernetes.namespace", `"Odd"`)
	if strings.Contains(g.do("GET", clusters, "").body, "secret") {
		t.Error("a list shows the token")
	}
}

func TestChecksTheToken(t *testing.T) {
	g := start(t, simulator.Options{})
	for _, token := range []string{`""`, `"  "`, `null`} {
		g.do("POST", clusters+"/add", `{"name":"n","`+pk+`":{"api_url":"https://a.example.com","token":`+token+`}}`).
			want(t, 400, messageBody("platform_kubernetes.token", "can't be blank"))
	}
	g.add(body("*"))
	for _, token := range []string{`""`, `" "`, `null`} {
		if r := g.do("PUT", clusters+"/1", `{"`+pk+`":{"token":`+token+`}}`); r.status != 200 {
			t.Errorf("blank token in an edit: %d %s", r.status, r.body)
		}
	}
	if token := g.stored(1).Token; token != "secret" {
		t.Errorf("a blank token was stored: %q", token)
	}
	g.do("PUT", clusters+"/1", `{"`+pk+`":{"token":"rotated"}}`)
	if c := g.stored(1); c.Token != "rotated" || c.APIURL != "https://kubernetes.example.com" {
		t.Errorf("stored %+v", c)
	}
}

func TestDemandsARealCertificate(t *testing.T) {
	g := start(t, simulator.Options{})
	ca, other := certificate(t), certificate(t)
	g.add(body("*"))
	set := func(text string) reply { return g.do("PUT", clusters+"/1", `{"`+pk+`":{"ca_cert":`+text+`}}`) }
	refused := messageBody("platform_kubernetes.ca_cert", "must be a valid PEM certificate")
	block, _ := pem.Decode([]byte(ca))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes}))
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")}))
	for _, wrong := range []string{"x", "-----BEGIN CERTIFICATE-----\\r\\nMIIF\\r\\n-----END CERTIFICATE-----", key, broken, broken + ca} {
		set(quote(wrong)).want(t, 400, refused)
	}
	for _, fine := range []string{ca, ca + other, "a comment\n" + ca, ca + broken, key + ca} {
		set(quote(fine)).wantField(t, "platform_kubernetes.ca_cert", quote(strings.TrimSpace(fine)))
	}
	set(`""`).wantField(t, "platform_kubernetes.ca_cert", `""`)
	set(`null`).wantField(t, "platform_kubernetes.ca_cert", "null")
	g.do("POST", clusters+"/add", platformBody("b", `"ca_cert":"x"`)).want(t, 400, refused)
	g.do("POST", clusters+"/add", platformBody("b", `"ca_cert":""`)).wantField(t, "platform_kubernetes.ca_cert", `""`)
	// A certificate that was stored before the check existed is not looked at again until it changes.
	if err := g.EditOutOfBand(1, func(c *simulator.Cluster) { c.CACert = new("old") }); err != nil {
		t.Fatal(err)
	}
	if r := g.do("PUT", clusters+"/1", `{"`+pk+`":{"token":"t","ca_cert":" old "}}`); r.status != 200 {
		t.Errorf("an old certificate: %d %s", r.status, r.body)
	}
}

func TestChecksTheNamespace(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*", `"managed":false`))
	for namespace, want := range map[string][]string{
		`"team-a"`: nil, `"0team"`: nil, `"TEAM"`: nil, `""`: nil, `"  "`: nil, `null`: nil, quote(strings.Repeat("n", 63)): nil,
		`"team_a"`:                      {nameSyntax},
		`"team-"`:                       {nameSyntax},
		`" team"`:                       {nameSyntax},
		quote(strings.Repeat("n", 64)):  {"is too long (maximum is 63 characters)"},
		quote(strings.Repeat("N_", 32)): {"is too long (maximum is 63 characters)", nameSyntax},
		`"GitLab-Managed-Apps"`:         {"is reserved"},
	} {
		r := g.do("PUT", clusters+"/1", `{"`+pk+`":{"namespace":`+namespace+`}}`)
		if want != nil {
			r.want(t, 400, messageBody("platform_kubernetes.namespace", want...))
			continue
		}
		lower := strings.ToLower(namespace)
		if strings.Trim(lower, `" `) == "" {
			lower = "null"
		}
		r.wantField(t, "platform_kubernetes.namespace", lower)
	}
	onlyProjects := "only allowed for project cluster"
	g.do("POST", clusters+"/add", platformBody("b", `"namespace":"a"`)).
		want(t, 400, messageBody("platform_kubernetes.namespace", onlyProjects))
	g.do("POST", clusters+"/add", platformBody("b", `"namespace":"gitlab-managed-apps"`)).
		want(t, 400, messageBody("platform_kubernetes.namespace", "is reserved", onlyProjects))
}

func TestSpringsTheTrapOfANamespaceLeftBehind(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(platformBody("*", `"namespace":"left"`, `"managed":false`))
	r := g.do("PUT", clusters+"/1", `{"managed":true}`)
	r.wantField(t, "managed", "true")
	r.wantField(t, "platform_kubernetes.namespace", `"left"`)
	refused := messageBody("platform_kubernetes.namespace", "only allowed for project cluster")
	g.do("PUT", clusters+"/1", `{"`+pk+`":{"api_url":"https://other.example.com"}}`).want(t, 400, refused)
	g.do("PUT", clusters+"/1", `{"`+pk+`":{"token":"secret"}}`).want(t, 400, refused)
	if r := g.do("PUT", clusters+"/1", `{"domain":"a.example.com","`+pk+`":{"namespace":"left"}}`); r.status != 200 {
		t.Errorf("an edit that leaves the platform as it is: %d %s", r.status, r.body)
	}
	g.do("PUT", clusters+"/1", `{"`+pk+`":{"namespace":null,"token":"t"}}`).wantField(t, "platform_kubernetes.namespace", "null")
}

func TestReportsAllErrorsOfARequestTogether(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*"))
	before := g.stored(1)
	g.do("PUT", clusters+"/1", `{"name":"","environment_scope":"a,b","domain":"-a.com","managed":null,"`+pk+
		`":{"api_url":"","namespace":"x","ca_cert":"x"}}`).want(t, 400, `{"message":{"environment_scope":[`+quote(scopeSyntax)+
		`],"platform_kubernetes.api_url":["must be a valid URL","can't be blank"],"platform_kubernetes.ca_cert":["must be a valid PEM certificate"],`+
		`"name":["has to be present"],"domain":["begins or ends with hyphen"]}}`)
	if after := g.stored(1); after != before {
		t.Errorf("a refused edit changed the cluster: %+v", after)
	}
}

func TestRefusesTheSampleOfTheDocumentation(t *testing.T) {
	// The certificate in GitLab's own documentation is none.
	sample := "-----BEGIN CERTIFICATE-----\\r\\nhFiK1L61owwDQYJKoZIhvcNAQELBQAw\\r\\nLzEtMCsGA1UEAxMkZDA1YzQ1YjctNzdiMS00NDY0LThjNmEtMTQ0ZDJkZjM4\\r\\n-----END CERTIFICATE-----"
	g := start(t, simulator.Options{})
	g.do("POST", clusters+"/add", platformBody("*", `"ca_cert":"`+sample+`"`)).
		want(t, 400, messageBody("platform_kubernetes.ca_cert", "must be a valid PEM certificate"))
}
