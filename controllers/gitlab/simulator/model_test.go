// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

const (
	duplicateScope = "cannot add duplicated environment scope"
	scopeSyntax    = "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces"
	nameSyntax     = "can contain only lowercase letters, digits, and '-'. Must start with a letter, and cannot end with '-'"
	invalidLabel   = `contains invalid characters (valid characters: [a-z0-9\-])`
	labelLength    = "must be between 1 and 63 characters long"
)

func TestChecksTheScope(t *testing.T) {
	for scope, want := range map[string][]string{
		"*":                              nil,
		"production/*":                   nil,
		"a b/$X{y}.-_Z9":                 nil,
		"":                               {"can't be blank", scopeSyntax, "is too short (minimum is 1 character)"},
		"   ":                            {"can't be blank", scopeSyntax, "is too short (minimum is 1 character)"},
		"a,b":                            {scopeSyntax},
		"é":                              {scopeSyntax},
		"a\\nb":                          {scopeSyntax},
		strings.Repeat("a", 255):         nil,
		strings.Repeat("a", 256):         {"is too long (maximum is 255 characters)"},
		strings.Repeat("a", 255) + "   ": nil,
	} {
		g := start(t, simulator.Options{})
		r := g.do("POST", clusters+"/add", body(scope))
		if want == nil {
			if r.status != 201 {
				t.Errorf("scope %q: %d %s", scope, r.status, r.body)
			}
			continue
		}
		r.want(t, 400, messageBody("environment_scope", want...))
	}
}

func TestLeavesAnOldScopeAlone(t *testing.T) {
	g := start(t, simulator.Options{})
	g.Seed(simulator.NewCluster("from before the limit", strings.Repeat("a", 256)))
	if r := g.do("PUT", clusters+"/1", `{"name":"b"}`); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestStripsTheScope(t *testing.T) {
	g := start(t, simulator.Options{})
	g.do("POST", clusters+"/add", body(`\t production `)).wantField(t, "environment_scope", `"production"`)
	g.do("POST", clusters+"/add", body("production")).want(t, 400, messageBody("environment_scope", duplicateScope))
}

func TestKeepsScopesUnique(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*", `"enabled":false`))
	refused := messageBody("environment_scope", duplicateScope)
	g.do("POST", clusters+"/add", body("*")).want(t, 400, refused)
	g.do("POST", clusters+"/add", `{"name":"n","`+pk+`":{"api_url":"https://a.example.com","token":"t"}}`).want(t, 400, refused)
	second := g.add(body("A"))
	g.add(body("a"))
	if second != 2 {
		t.Errorf("a refused add took an id: %d", second)
	}
	g.do("PUT", clusters+"/2", `{"environment_scope":" * "}`).want(t, 400, refused)
	if r := g.do("PUT", clusters+"/1", `{"environment_scope":"*","name":"same"}`); r.status != 200 {
		t.Errorf("its own scope: %d %s", r.status, r.body)
	}
	g.do("DELETE", clusters+"/1", "")
	if r := g.do("PUT", clusters+"/2", `{"environment_scope":"*"}`); r.status != 200 {
		t.Errorf("a free scope: %d %s", r.status, r.body)
	}
	// A duplicate that came around the check is noticed by the next edit of either.
	duplicate := g.Seed(simulator.NewCluster("x", "*"))
	g.do("PUT", clusters+"/2", `{"name":"y"}`).want(t, 400, refused)
	if err := g.DeleteOutOfBand(duplicate); err != nil {
		t.Error(err)
	}
}

func TestKeepsScopesUniquePerManagementProject(t *testing.T) {
	g := start(t, simulator.Options{})
	g.AddProject(simulator.Project{ID: 9})
	g.add(body("*", `"management_project_id":9`))
	g.do("POST", clusters+"/add", body("*", `"management_project_id":9`)).
		want(t, 400, messageBody("environment_scope", duplicateScope, duplicateScope))
	g.add(body("other", `"management_project_id":9`))
}

func TestChecksTheName(t *testing.T) {
	g := start(t, simulator.Options{})
	long := strings.Repeat("é", 2049)
	g.do("POST", clusters+"/add", `{"name":" ","`+pk+`":{"api_url":"https://a.example.com","token":"t"}}`).
		want(t, 400, messageBody("name", "has to be present"))
	g.do("POST", clusters+"/add", `{"name":null,"`+pk+`":{"api_url":"https://a.example.com","token":"t"}}`).
		want(t, 400, messageBody("name", "has to be present"))
	g.do("POST", clusters+"/add", `{"name":"`+long+`","`+pk+`":{"api_url":"https://a.example.com","token":"t"}}`).
		want(t, 400, messageBody("name", "is too long"))
	g.do("POST", clusters+"/add", `{"name":"`+strings.Repeat("a", 2049)+`","`+pk+`":{"api_url":"https://a.example.com","token":"t"}}`).
		want(t, 400, messageBody("name", "is too long"))
	g.add(body("*"))
	g.add(body("b"))
	g.do("PUT", clusters+"/1", `{"name":" a / ü "}`).wantField(t, "name", `" a / ü "`)
	g.do("PUT", clusters+"/2", `{"name":" a / ü "}`).wantField(t, "name", `" a / ü "`)
	g.do("PUT", clusters+"/1", `{"name":null}`).want(t, 400, messageBody("name", "has to be present"))
	if err := g.EditOutOfBand(1, func(c *simulator.Cluster) { c.Name = long }); err != nil {
		t.Fatal(err)
	}
	if r := g.do("PUT", clusters+"/1", `{"enabled":false}`); r.status != 200 {
		t.Errorf("a long name that does not change: %d %s", r.status, r.body)
	}
}

func TestChecksTheDomain(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*"))
	label := strings.Repeat("a", 63)
	for domain, want := range map[string][]string{
		"ex.com": nil, "EX.com": nil, "localhost": nil, "1.2.3.4": nil, "123": nil, "": nil, " ": nil, label + ".com": nil,
		"*.ex.com":                         {invalidLabel},
		"a_b.com":                          {invalidLabel},
		"a b.com":                          {invalidLabel},
		" a.com":                           {invalidLabel},
		"a.com:80":                         {invalidLabel},
		"http://a.com":                     {invalidLabel},
		"é.com":                            {invalidLabel},
		"-a.com":                           {"begins or ends with hyphen"},
		"a-.com":                           {"begins or ends with hyphen"},
		"a..b":                             {labelLength, invalidLabel, "must not contain consecutive dots"},
		"a.com.":                           {"must not end with a dot"},
		".":                                {"must not end with a dot"},
		"a" + label:                        {labelLength},
		"a_.b_.c":                          {invalidLabel, invalidLabel},
		strings.Repeat(label+".", 4) + "a": {"must be between 1 and 255 characters long"},
	} {
		r := g.do("PUT", clusters+"/1", `{"domain":`+quote(domain)+`}`)
		if want == nil {
			r.wantField(t, "domain", quote(domain))
			continue
		}
		r.want(t, 400, messageBody("domain", want...))
	}
	g.do("PUT", clusters+"/1", `{"domain":null}`).wantField(t, "domain", "null")
	g.do("PUT", clusters+"/1", `{"domain":""}`).wantField(t, "domain", `""`)
	if g.stored(1).Domain == nil {
		t.Error(`"" was stored as null`)
	}
}

func TestChecksTheManagementProject(t *testing.T) {
	g := start(t, simulator.Options{})
	refused := messageBody("management_project_id", "Project does not exist or you don't have permission to perform this action")
	// Nothing else is looked at: the scope is wrong, too.
	g.do("POST", clusters+"/add", body("é", `"management_project_id":4`)).want(t, 400, refused)
	g.do("POST", clusters+"/add", body("*", `"management_project_id":0`)).want(t, 400, refused)
	g.AddProject(simulator.Project{ID: 4, Path: "mgmt", Name: "mgmt", PathWithNamespace: "infra/mgmt"})
	r := g.do("POST", clusters+"/add", body("*", `"management_project_id":4`))
	r.wantField(t, "management_project.path_with_namespace", `"infra/mgmt"`)
	r.wantField(t, "management_project_id", "absent")
	r.wantField(t, "management_project.web_url", "absent")
	g.do("PUT", clusters+"/1", `{"management_project_id":5,"name":""}`).want(t, 400, refused)
	for _, huge := range []string{"99999999999999999999", "1e30", "1.5e30", `"99999999999999999999"`} {
		g.do("PUT", clusters+"/1", `{"management_project_id":`+huge+`}`).want(t, 400, refused)
	}
	g.do("PUT", clusters+"/1", `{"name":"b"}`).wantField(t, "management_project.id", "4")
	g.AddProject(simulator.Project{ID: 4, Name: "renamed"})
	g.do("GET", clusters+"/1", "").wantField(t, "management_project.name", `"renamed"`)
	g.RemoveProject(4)
	g.do("GET", clusters+"/1", "").wantField(t, "management_project", "null")
	g.AddProject(simulator.Project{ID: 4})
	g.do("GET", clusters+"/1", "").wantField(t, "management_project", "null")
	g.do("PUT", clusters+"/1", `{"management_project_id":4}`).wantField(t, "management_project.id", "4")
	g.do("PUT", clusters+"/1", `{"management_project_id":null}`).wantField(t, "management_project", "null")
}

func TestRefusesAddressesOfPrivateNetworks(t *testing.T) {
	addresses := func(texts ...string) (all []netip.Addr) {
		for _, text := range texts {
			all = append(all, netip.MustParseAddr(text))
		}
		return all
	}
	g := start(t, simulator.Options{Hosts: map[string][]netip.Addr{
		"inside.example.com": addresses("10.0.0.8"), "outside.example.com": addresses("93.184.216.34"),
		"both.example.com": addresses("93.184.216.34", "192.168.1.1"), "mapped.example.com": addresses("::ffff:10.1.1.1"),
		"mapped-localhost.example.com": addresses("::ffff:127.0.0.1"),
	}})
	g.add(body("*"))
	for url, reason := range map[string]string{
		"https://93.184.216.34:6443/path/":     "",
		"http://Example.COM/":                  "",
		"https://outside.example.com":          "",
		"https://unknown.example.com":          "",
		"https://[2001:db8::1]:6443":           "",
		"invalid_api_url":                      "Only allowed schemes are http, https",
		"ftp://a.example.com":                  "Only allowed schemes are http, https",
		"//a.example.com":                      "Only allowed schemes are http, https",
		"https://":                             "URI is invalid",
		"https://a b.example.com":              "URI is invalid",
		"https://a.example.com:port":           "URI is invalid",
		"https://a.example.com\\nb":            "URI is invalid",
		"https://-a.example.com":               "Hostname or IP address invalid",
		"https://_a.example.com":               "Hostname or IP address invalid",
		"https://localhost:6443":               "Requests to localhost are not allowed",
		"https://LOCALHOST":                    "Requests to localhost are not allowed",
		"https://127.0.0.1":                    "Requests to localhost are not allowed",
		"https://0.0.0.0":                      "Requests to localhost are not allowed",
		"https://[::1]:6443":                   "Requests to localhost are not allowed",
		"https://[::ffff:127.0.0.1]":           "Requests to localhost are not allowed",
		"https://mapped-localhost.example.com": "Requests to localhost are not allowed",
		"https://127.0.0.2":                    "Requests to loopback addresses are not allowed",
		"https://10.0.0.1:6443":                "Requests to the local network are not allowed",
		"https://user@172.16.5.4":              "Requests to the local network are not allowed",
		"https://192.168.0.1":                  "Requests to the local network are not allowed",
		"https://[fd00::1]":                    "Requests to the local network are not allowed",
		"https://[fec0::1]":                    "Requests to the local network are not allowed",
		"https://[::ffff:10.0.0.1]":            "Requests to the local network are not allowed",
		"https://inside.example.com":           "Requests to the local network are not allowed",
		"https://both.example.com":             "Requests to the local network are not allowed",
		"https://mapped.example.com":           "Requests to the local network are not allowed",
		"https://169.254.169.254":              "Requests to the link local network are not allowed",
		"https://[fe80::1]":                    "Requests to the link local network are not allowed",
		"https://100.64.0.1":                   "Requests to the shared address space are not allowed",
		"https://255.255.255.255":              "Requests to the limited broadcast address are not allowed",
		"https://167772161":                    "Requests to the local network are not allowed",
		"https://0x0a.1":                       "Requests to the local network are not allowed",
		"https://012.0.0.1":                    "Requests to the local network are not allowed",
		"https://" + strings.Repeat("a", 1025): "Host is too long (maximum is 1024 characters)",
	} {
		r := g.do("PUT", clusters+"/1", `{"`+pk+`":{"api_url":"`+url+`"}}`)
		if reason == "" {
			r.wantField(t, "platform_kubernetes.api_url", quote(url))
			continue
		}
		r.want(t, 400, messageBody("platform_kubernetes.api_url", "is blocked: "+reason))
	}
}

func TestObeysTheAdministratorsRulesForAddresses(t *testing.T) {
	g := start(t, simulator.Options{})
	inside := `{"` + pk + `":{"api_url":"https://10.0.0.1:6443","token":"t"}}`
	g.add(body("*"))
	check := func(given, reason string) {
		t.Helper()
		r := g.do("PUT", clusters+"/1", given)
		if reason == "" && r.status != 200 {
			t.Errorf("%s: %d %s", given, r.status, r.body)
		} else if reason != "" {
			r.want(t, 400, messageBody("platform_kubernetes.api_url", "is blocked: "+reason))
		}
	}
	check(inside, "Requests to the local network are not allowed")
	for _, entry := range []string{"10.0.0.1", "10.0.0.0/8", "10.0.0.1:6443"} {
		g.SetOutbound(simulator.Outbound{Allowlist: []string{entry}})
		check(inside, "")
	}
	g.SetOutbound(simulator.Outbound{Allowlist: []string{"10.0.0.1:443", "10.0.0.2"}})
	check(inside, "Requests to the local network are not allowed")
	g.SetOutbound(simulator.Outbound{AllowLocal: true})
	check(inside, "")
	g.SetOutbound(simulator.Outbound{DenyAll: true, AllowLocal: true})
	check(inside, "Requests to hosts and IP addresses not on the Allow List are denied")
	check(`{"`+pk+`":{"api_url":"https://nowhere.example.com"}}`, "Host cannot be resolved or invalid")
	g.SetOutbound(simulator.Outbound{DenyAll: true, Allowlist: []string{"nowhere.example.com"}})
	check(`{"`+pk+`":{"api_url":"https://nowhere.example.com"}}`, "")
	g.SetOutbound(simulator.Outbound{})
	g.SetHost("nowhere.example.com", netip.MustParseAddr("10.1.1.1"))
	// The same address, sent again, is no change and is not looked at.
	check(`{"`+pk+`":{"api_url":"https://nowhere.example.com"}}`, "")
	check(`{"`+pk+`":{"api_url":"https://nowhere.example.com","token":"new"}}`, "Requests to the local network are not allowed")
}
