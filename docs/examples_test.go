// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

func TestExamplesAreValid(t *testing.T) {
	examples := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			if b.language != "yaml" {
				continue
			}
			for document := range strings.SplitSeq(b.text, "\n---\n") {
				var parsed map[string]any
				if err := yaml.UnmarshalStrict([]byte(document), &parsed); err != nil {
					t.Errorf("%s: an example is not YAML: %v\n%s", p.path, err, document)
				}
				if parsed["kind"] != "GitLabInstanceCluster" {
					continue
				}
				examples++
				checkExample(t, p.path, document)
			}
		}
	}
	if examples < 4 {
		t.Errorf("only %d examples of the kind found", examples)
	}
}

func checkExample(t *testing.T, path, document string) {
	t.Helper()
	var obj v1alpha1.GitLabInstanceCluster
	if err := yaml.UnmarshalStrict([]byte(document), &obj); err != nil {
		t.Errorf("%s: an example does not fit the type: %v\n%s", path, err, document)
		return
	}
	if got := obj.GroupVersionKind().GroupVersion(); got != v1alpha1.GroupVersion {
		t.Errorf("%s: an example has the version %s", path, got)
	}
	spec := obj.Spec
	for field, value := range map[string]string{
		"metadata.name":                       obj.Name,
		"metadata.namespace":                  obj.Namespace,
		"spec.gitlab.url":                     spec.GitLab.URL,
		"spec.gitlab.tokenSecretRef.name":     spec.GitLab.TokenSecretRef.Name,
		"spec.kubernetes.apiURL":              spec.Kubernetes.APIURL,
		"spec.kubernetes.tokenSecretRef.name": spec.Kubernetes.TokenSecretRef.Name,
	} {
		if value == "" {
			t.Errorf("%s: an example lacks %s:\n%s", path, field, document)
		}
	}
}

// The page of the kind says something about each field, under its path.
func TestPageOfTheKindHasEveryField(t *testing.T) {
	text := read(t, "docs/gitlabinstancecluster.md")
	inCode := append(fields(reflect.TypeFor[v1alpha1.GitLabInstanceClusterSpec](), ".spec"),
		fields(reflect.TypeFor[v1alpha1.GitLabInstanceClusterStatus](), ".status")...)
	if len(inCode) < 25 {
		t.Fatalf("only %d fields found", len(inCode))
	}
	for _, path := range inCode {
		if !strings.Contains(text, "`"+path+"`") {
			t.Errorf("`%s` is not in the page", path)
		}
	}
	for _, path := range submatches(text, "`(\\.(?:spec|status)[.a-zA-Z]*)`") {
		if !contains(inCode, path) {
			t.Errorf("the page has `%s`, which is not a field", path)
		}
	}
}

// fields are the paths of all fields of a struct, those of structs in it included.
func fields(of reflect.Type, prefix string) []string {
	var all []string
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Struct && kind != reflect.TypeFor[metav1.Condition]() {
			inner := fields(kind, prefix+"."+name)
			all = append(all, inner...)
			continue
		}
		all = append(all, prefix+"."+name)
	}
	return all
}

// contains also accepts a struct that holds fields.
func contains(paths []string, path string) bool {
	for _, known := range paths {
		if known == path || strings.HasPrefix(known, path+".") {
			return true
		}
	}
	return false
}
