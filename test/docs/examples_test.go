// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs gives the examples in README.md and docs/ to a real API server, which validates them as kubectl apply
// would and stores nothing.
package docs

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// examples are the Kubernetes objects in the pages, by page.
func examples(t *testing.T) map[string][]*unstructured.Unstructured {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]*unstructured.Unstructured{}
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			for document := range strings.SplitSeq(match[1], "\n---\n") {
				obj := &unstructured.Unstructured{}
				if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
					t.Fatalf("%s: %v\n%s", path, err, document)
				}
				if obj.GetAPIVersion() != "" && obj.GetKind() != "" {
					page := strings.TrimPrefix(path, root+"/")
					all[page] = append(all[page], obj)
				}
			}
		}
	}
	return all
}

func TestAPIServerTakesTheExamples(t *testing.T) {
	cp, err := controlplane.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	ours := 0
	for page, objects := range examples(t) {
		for _, obj := range objects {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: obj.GetNamespace()}}
			if namespace.Name != "" {
				if err := cp.Client.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
					t.Fatal(err)
				}
			}
			err := cp.Client.Create(ctx, obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			switch {
			case obj.GetKind() == "GitLabInstanceCluster":
				ours++
			case meta.IsNoMatchError(err):
				continue // a kind of another project's
			}
			if err != nil {
				t.Errorf("%s: the API server refuses %s %s: %v", page, obj.GetKind(), obj.GetName(), err)
			}
		}
	}
	if ours < 4 {
		t.Errorf("only %d examples of the kind found", ours)
	}
}
