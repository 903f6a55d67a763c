// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Programs that use the API must not inherit the operator's dependencies.
func TestImportsApimachineryOnly(t *testing.T) {
	output, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := strings.Fields(string(output))
	if !slices.Contains(imports, "k8s.io/apimachinery/pkg/apis/meta/v1") {
		t.Fatalf("go list does not tell the imports: %q", imports)
	}
	for _, path := range imports {
		domain, _, hasPath := strings.Cut(path, "/")
		standard := !hasPath || !strings.Contains(domain, ".")
		if !standard && !strings.HasPrefix(path, "k8s.io/apimachinery/") {
			t.Errorf("imports %s", path)
		}
	}

	output, err = exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	for path := range strings.FieldsSeq(string(output)) {
		for _, wall := range []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go", "k8s.io/api/"} {
			if strings.HasPrefix(path, wall) {
				t.Errorf("depends on %s", path)
			}
		}
	}
}
