// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	anchors := map[string][]string{}
	for _, p := range pages(t) {
		anchors[p.path] = p.anchors()
	}
	checked := 0
	for _, p := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(p.prose(), -1) {
			target := match[1]
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			path, fragment, _ := strings.Cut(target, "#")
			file := p.path
			if path != "" {
				file = filepath.Join(filepath.Dir(p.path), path)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", p.path, target)
				continue
			}
			if fragment != "" && !slices.Contains(anchors[file], fragment) {
				t.Errorf("%s links to %s, but %s has no such heading", p.path, target, file)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links found", checked)
	}
}

// Paths that text, code and manifests name without linking to them go stale as easily.
func TestPagesNamedInTheProjectExist(t *testing.T) {
	named := regexp.MustCompile(`\bdocs/[a-z-]+\.md\b`)
	for _, pattern := range []string{"Makefile", "CONTRIBUTING.md", "api/*/*.go", "controllers/*.go", "cmd/*/*.go", "config/*/*.yaml", "hack/*.sh", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files match %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range named.FindAllString(string(text), -1) {
				if _, err := os.Stat(filepath.Join(root, path)); err != nil {
					t.Errorf("%s names %s, which does not exist", strings.TrimPrefix(file, root+"/"), path)
				}
			}
		}
	}
}
