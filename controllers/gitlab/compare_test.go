// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"slices"
	"strings"
	"testing"
)

func TestInstantsAreComparedAcrossTimeZones(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"2020-07-14T18:36:10.440Z", "2020-07-14T18:36:10.440Z", true},
		{"2020-07-14T18:36:10.440Z", "2020-07-14T20:36:10.440+02:00", true},
		{"2020-07-14T18:36:10.440Z", "2020-07-14T18:36:10.44Z", true},
		{"2020-07-14T18:36:10.440Z", "2020-07-14T18:36:10.441Z", false},
		{"2020-07-14T18:36:10.440Z", "2020-07-14T18:36:10.440+02:00", false},
		{"2020-07-14T18:36:10.440Z", "", false},
		{"odd", "odd", true},
		{"odd", "Odd", false},
		{"", "", true},
	} {
		if SameInstant(test.a, test.b) != test.same || SameInstant(test.b, test.a) != test.same {
			t.Errorf("%q and %q: want %t", test.a, test.b, test.same)
		}
	}
}

func TestDifferencesAreThoseThatMatter(t *testing.T) {
	yes, no := true, false
	ca := valid(t)
	base := wanted()
	base.CACert = ca
	have := func() Cluster {
		return Cluster{ID: 7, Name: "production", EnvironmentScope: "production/*", Domain: "apps.example.com", ManagementProjectID: 42,
			Enabled: &yes, Managed: &no, NamespacePerEnvironment: &yes, APIURL: "https://k8s.example.com:6443",
			CADigest: CertificateDigest(ca), Namespace: "apps", AuthorizationType: "rbac"}
	}
	for _, test := range []struct {
		name   string
		want   func(*Attributes)
		have   func(*Cluster)
		fields []Field
	}{
		{"nothing", nil, nil, nil},
		{"another token, which cannot be seen", func(a *Attributes) { a.Token = NewToken("other") }, nil, nil},
		{"name", nil, func(c *Cluster) { c.Name = "x" }, []Field{FieldName}},
		{"a blank in the name", nil, func(c *Cluster) { c.Name += " " }, []Field{FieldName}},
		{"scope", nil, func(c *Cluster) { c.EnvironmentScope = "*" }, []Field{FieldEnvironmentScope}},
		{"blanks around the scope", func(a *Attributes) { a.EnvironmentScope = " production/* " }, nil, nil},
		{"domain", func(a *Attributes) { a.Domain = "" }, nil, []Field{FieldDomain}},
		{"management project", nil, func(c *Cluster) { c.ManagementProjectID = 0 }, []Field{FieldManagementProjectID}},
		{"disabled", nil, func(c *Cluster) { c.Enabled = &no }, []Field{FieldEnabled}},
		{"managed", nil, func(c *Cluster) { c.Managed = &yes }, []Field{FieldManaged}},
		{"namespace per environment", nil, func(c *Cluster) { c.NamespacePerEnvironment = &no }, []Field{FieldNamespacePerEnvironment}},
		{"what old versions do not tell", nil, func(c *Cluster) { c.Enabled, c.Managed, c.NamespacePerEnvironment = nil, nil, nil }, nil},
		{"API URL", func(a *Attributes) { a.APIURL += "/" }, nil, []Field{FieldAPIURL}},
		{"blanks around the API URL", func(a *Attributes) { a.APIURL += "\n" }, nil, nil},
		{"CA", func(a *Attributes) { a.CACert = valid(t) }, nil, []Field{FieldCACert}},
		{"no CA any more", func(a *Attributes) { a.CACert = "" }, nil, []Field{FieldCACert}},
		{"a CA where none is", nil, func(c *Cluster) { c.CADigest = "" }, []Field{FieldCACert}},
		{"line ends of the CA", func(a *Attributes) { a.CACert = strings.ReplaceAll(ca, "\n", "\r\n") + "\n\n" }, nil, nil},
		{"namespace", nil, func(c *Cluster) { c.Namespace = "" }, []Field{FieldNamespace}},
		{"case of the namespace", func(a *Attributes) { a.Namespace = "APPS" }, nil, nil},
		{"authorization type", nil, func(c *Cluster) { c.AuthorizationType = "abac" }, []Field{FieldAuthorizationType}},
		{"authorization type that is not told", nil, func(c *Cluster) { c.AuthorizationType = "" }, nil},
		{"everything", nil, func(c *Cluster) {
			*c = Cluster{Enabled: &no, Managed: &yes, NamespacePerEnvironment: &no, AuthorizationType: "abac"}
		},
			[]Field{FieldName, FieldEnvironmentScope, FieldDomain, FieldManagementProjectID, FieldEnabled, FieldManaged,
				FieldNamespacePerEnvironment, FieldAPIURL, FieldCACert, FieldNamespace, FieldAuthorizationType}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, have := base, have()
			if test.want != nil {
				test.want(&want)
			}
			if test.have != nil {
				test.have(&have)
			}
			if got := Differences(want, have); !slices.Equal(got, test.fields) {
				t.Errorf("got %v, want %v", got, test.fields)
			}
		})
	}
}
