// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// TestPageNamesTestsThatExist looks for every test that docs/reliability.md names.
func TestPageNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	named.Add(1)
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	crashes := map[string]bool{}
	for _, d := range []death{kill, terminate, pause, panics, cut} {
		prefix := "TestCrash/" + strings.ReplaceAll(string(d), " ", "_")
		crashes[prefix] = true
		for _, c := range cases(d) {
			crashes[prefix+"/"+c.String()] = true
		}
	}
	references := regexp.MustCompile("(?:`(Test[^`]+)`|(\"[^\"]+\"))(?: \\(((?:test|controllers)(?:/[a-z0-9]+)?)\\))?").FindAllStringSubmatch(string(text), -1)
	if len(references) < 50 {
		t.Fatalf("only %d tests are named", len(references))
	}
	for _, reference := range references {
		test, spec, folder := reference[1], reference[2], reference[3]
		switch {
		case folder == "":
			folder = "test/faults"
		case spec != "":
			test = spec
		}
		if strings.HasPrefix(test, "TestCrash/") {
			if !crashes[test] {
				t.Errorf("there is no case %s", test)
			}
			continue
		}
		if spec == "" {
			test = "func " + test + "("
		}
		if test != "" && !contains(t, filepath.Join(root, folder), test) {
			t.Errorf("%s has no test %s", folder, test)
		}
	}
}

// contains reports whether a test of the folder has the text.
func contains(t *testing.T, folder, text string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), text) {
			return true
		}
	}
	return false
}
