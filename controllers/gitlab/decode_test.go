// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestAnswersAreReadOverVersions(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		name, body string
		want       Cluster
	}{
		{"all of it", answered, Cluster{ID: 7, Name: "production", CreatedAt: "2020-07-14T18:36:10.440Z", ProviderType: "user",
			EnvironmentScope: "production/*", Domain: "apps.example.com", ManagementProjectID: 42, Enabled: &yes, Managed: &no,
			NamespacePerEnvironment: &yes, APIURL: "https://k8s.example.com:6443", CADigest: CertificateDigest("a certificate"),
			Namespace: "apps", AuthorizationType: "rbac"}},
		{"an old version", `{"id":1,"name":"a"}`, Cluster{ID: 1, Name: "a"}},
		{"null wherever it may be", `{"id":1,"name":null,"created_at":null,"domain":null,"enabled":null,"managed":null,"provider_type":null,
			"platform_type":null,"environment_scope":null,"namespace_per_environment":null,"user":null,"platform_kubernetes":null,
			"provider_gcp":null,"management_project":null}`, Cluster{ID: 1, Enabled: &no, Managed: &no, NamespacePerEnvironment: &no}},
		{"null inside the platform", `{"id":1,"platform_kubernetes":{"api_url":"u","namespace":null,"ca_cert":null,"authorization_type":null}}`,
			Cluster{ID: 1, APIURL: "u"}},
		{"blank is none", `{"id":1,"domain":"","platform_kubernetes":{"ca_cert":" \n","namespace":""}}`, Cluster{ID: 1}},
		{"a Google cluster", `{"id":2,"provider_type":"gcp","platform_kubernetes":{"api_url":null},"provider_gcp":{"cluster_id":2}}`,
			Cluster{ID: 2, ProviderType: "gcp"}},
		{"keys of a later version", `{"id":3,"colour":{"a":[1]},"platform_kubernetes":{"api_url":"u","taste":"sour"}}`, Cluster{ID: 3, APIURL: "u"}},
		{"white space around it", " \r\n{\"id\":4}\n", Cluster{ID: 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := decodeCluster([]byte(test.body))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, test.want)
			}
			rows, err := decodeClusters([]byte("[" + test.body + "," + test.body + "]"))
			if err != nil || !reflect.DeepEqual(rows, []Cluster{test.want, test.want}) {
				t.Errorf("got %+v, %v", rows, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{answered, "[" + answered + "]", "", "null", "[]", "[null]", `{"id":1}`, `{"id":-1}`, `{"id":1e3}`,
		`{"id":1,"enabled":"yes"}`, `{"id":1,"platform_kubernetes":[]}`, `{"ID":5,"id":6}`, "{", strings.Repeat("[", 20000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		one, err := decodeCluster(data)
		if err == nil && one.ID <= 0 {
			t.Errorf("%q has no id", data)
		}
		rows, errRows := decodeClusters(data)
		if err == nil && errRows == nil {
			t.Errorf("%q is both an object and an array", data)
		}
		for _, row := range rows {
			if row.ID <= 0 {
				t.Errorf("%q has a row without an id", data)
			}
		}
		if err == nil {
			rows, err := decodeClusters([]byte(fmt.Sprintf("[%s]", data)))
			if err != nil || len(rows) != 1 || !reflect.DeepEqual(rows[0], one) {
				t.Errorf("%q is another thing in a list: %+v, %v", data, rows, err)
			}
		}
	})
}
