// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whoever searches a page for words that the operator says must find them: they are quoted here as they stand in the code.
func TestQuotedWordsAreSaid(t *testing.T) {
	for _, quoted := range []struct {
		section string   // of docs/troubleshooting.md
		files   []string // that say it
	}{
		{"InvalidSecret", []string{"controllers/resolve.go", "controllers/gitlab/*.go"}},
		{"Refused at kubectl apply", []string{"config/policy/*.yaml"}},
	} {
		var said strings.Builder
		for _, pattern := range quoted.files {
			files, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files match %s: %v", pattern, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				said.Write(text)
			}
		}
		found := 0
		for _, row := range submatches(section(t, quoted.section), `(?m)^\| (.*?) \|`) {
			for _, words := range submatches(row, "`([^`]+)`") {
				found++
				if !strings.Contains(said.String(), words) && !strings.HasPrefix(words, "no matches for kind") {
					t.Errorf("section %s quotes %q, which is not said", quoted.section, words)
				}
			}
		}
		if found == 0 {
			t.Errorf("section %s quotes nothing", quoted.section)
		}
	}
}

// section is the part of docs/troubleshooting.md below a heading.
func section(t *testing.T, title string) string {
	t.Helper()
	body := regexp.MustCompile(`(?m)^#{2,3} `+regexp.QuoteMeta(title)+"$").Split(read(t, "docs/troubleshooting.md"), 2)
	if len(body) != 2 {
		t.Fatalf("there is no section %s", title)
	}
	return regexp.MustCompile(`(?m)^#{2,3} `).Split(body[1], 2)[0]
}

func TestPageOfTheKindHasEveryEvent(t *testing.T) {
	word := regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	var events []string
	ast.Inspect(parse(t, "controllers/report.go"), func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(literal.Value); err == nil && word.MatchString(text) && !slices.Contains(events, text) {
			events = append(events, text)
		}
		return true
	})
	difference(t, events, submatches(read(t, "docs/gitlabinstancecluster.md"), "(?m)^ *\\| Normal \\| `(\\w+)` \\|"), "event")
}

func TestMakeTargetsExist(t *testing.T) {
	targets := strings.Fields(strings.Join(submatches(read(t, "Makefile"), `(?m)^([a-z -]+):(?:[^=].*)?$`), " "))
	for _, p := range pages(t) {
		var named []string
		for _, b := range p.blocks() {
			named = append(named, submatches(b.text, `(?m)^make ([a-z -]+)`)...)
		}
		named = append(named, submatches(p.prose(), "`make ([a-z -]+)")...)
		for _, words := range named {
			for _, target := range strings.Fields(words) {
				if !slices.Contains(targets, target) {
					t.Errorf("%s has make %s, which the Makefile does not", p.path, target)
				}
			}
		}
	}
}
