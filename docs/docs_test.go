// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs_test compares the pages with the code: examples, links, reasons, fields, flags and metrics.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the project's folder, seen from this one.
const root = ".."

// page is a Markdown file.
type page struct {
	// path is relative to the project's folder.
	path string
	text string
}

// pages are all pages that users read.
func pages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		paths[i] = filepath.Join("docs", path)
	}
	var all []page
	for _, path := range append(paths, "README.md", "CONTRIBUTING.md") {
		all = append(all, page{path, read(t, path)})
	}
	if len(all) < 10 {
		t.Fatalf("only %d pages found", len(all))
	}
	return all
}

// read returns a file of the project.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is a fenced part of a page.
type block struct {
	language, text string
}

var fence = regexp.MustCompile("(?ms)^([ \t]*)```([a-z]*)\n(.*?)^[ \t]*```$")

// blocks are the fenced parts of a page, without the indentation of the list item that they stand in.
func (p page) blocks() []block {
	var all []block
	for _, match := range fence.FindAllStringSubmatch(p.text, -1) {
		text := match[3]
		if match[1] != "" {
			text = strings.ReplaceAll("\n"+text, "\n"+match[1], "\n")[1:]
		}
		all = append(all, block{language: match[2], text: text})
	}
	return all
}

// prose is the page without its fenced parts.
func (p page) prose() string { return fence.ReplaceAllString(p.text, "") }

var heading = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)

// anchors are the fragments under which GitHub and GitLab show the headings.
func (p page) anchors() []string {
	var all []string
	for _, match := range heading.FindAllStringSubmatch(p.prose(), -1) {
		all = append(all, slug(match[1]))
	}
	return all
}

var notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

func slug(title string) string {
	return strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")
}

// difference reports what only one of two sets has.
func difference(t *testing.T, inCode, inDocs []string, what string) {
	t.Helper()
	if len(inCode) == 0 {
		t.Fatalf("no %s found in the code: this test looks in the wrong place", what)
	}
	for _, name := range inCode {
		if !slices.Contains(inDocs, name) {
			t.Errorf("%s %s is in the code and not documented", what, name)
		}
	}
	for _, name := range inDocs {
		if !slices.Contains(inCode, name) {
			t.Errorf("%s %s is documented and not in the code", what, name)
		}
	}
	for i, name := range inDocs {
		if slices.Contains(inDocs[:i], name) {
			t.Errorf("%s %s is documented twice", what, name)
		}
	}
}

func submatches(text, pattern string) []string {
	var all []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}
