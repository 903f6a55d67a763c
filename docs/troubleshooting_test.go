// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// parse reads a Go file of the project.
func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// reasons are the values of the constants Reason… of the API.
func reasons(t *testing.T) []string {
	t.Helper()
	var all []string
	ast.Inspect(parse(t, "api/v1alpha1/conditions.go"), func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !strings.HasPrefix(name.Name, "Reason") {
				continue
			}
			value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
		return true
	})
	return all
}

// sections are the parts of a page below its headings of the third level, by their titles.
func sections(text string) map[string]string {
	all := map[string]string{}
	for _, part := range strings.Split("\n"+text, "\n### ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		all[title] = body
	}
	return all
}

func TestTroubleshootingHasEveryReason(t *testing.T) {
	text := read(t, "docs/troubleshooting.md")
	difference(t, reasons(t), submatches(text, `(?m)^### (\S+)$`), "reason")
	for reason, body := range sections(text) {
		for _, part := range []string{"**Cause.**", "**Fix.**"} {
			if !strings.Contains(body, part) {
				t.Errorf("section %s has no %s", reason, part)
			}
		}
	}
}

// Who looks up a reason is told first whether it is theirs to act on: the section's part of the page must say what the
// conditions say.
func TestTroubleshootingSaysWhoMoves(t *testing.T) {
	text := read(t, "docs/troubleshooting.md")
	_, goesOn, found := strings.Cut(text, "\n## The operator goes on by itself\n")
	goesOn, stalls, foundToo := strings.Cut(goesOn, "\n## Somebody has to do something\n")
	if !found || !foundToo {
		t.Fatal("the page lacks one of its parts")
	}
	stalls, _, _ = strings.Cut(stalls, "\n## ")
	for reason := range sections(goesOn) {
		if v1alpha1.Stalls(reason) {
			t.Errorf("%s stalls, and stands under what goes on by itself", reason)
		}
	}
	for reason := range sections(stalls) {
		if !v1alpha1.Stalls(reason) {
			t.Errorf("%s does not stall, and stands under what somebody has to do", reason)
		}
	}
}

func TestReadmeHasEveryReason(t *testing.T) {
	rows := submatches(read(t, "README.md"), "(?m)^\\| \\[`(\\w+)`\\]\\(docs/troubleshooting\\.md#\\w+\\) \\| .+ \\|$")
	difference(t, reasons(t), rows, "reason")
}
