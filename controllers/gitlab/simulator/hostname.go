// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	// The gem anchors its expressions at lines, so a value of several lines passes if one of them does.
	labelCharacters = regexp.MustCompile(`(?im)^[a-z0-9\-]+$`)
	labelHyphen     = regexp.MustCompile(`(?m)^-|-$`)
	endsWithDot     = regexp.MustCompile(`(?m)\.$`)
)

// hostnameErrors are the complaints of the gem validates_hostname, with numeric names allowed, about a domain that is
// not blank; a label's own come for each label.
func hostnameErrors(name string) []string {
	var found []string
	if utf8.RuneCountInString(name) > 255 {
		found = append(found, "must be between 1 and 255 characters long")
	}
	// Ruby's split leaves out empty labels at the end.
	for label := range strings.SplitSeq(strings.TrimRight(name, "."), ".") {
		if strings.Trim(name, ".") == "" {
			break
		}
		if n := utf8.RuneCountInString(label); n < 1 || n > 63 {
			found = append(found, "must be between 1 and 63 characters long")
		}
		if labelHyphen.MatchString(label) {
			found = append(found, "begins or ends with hyphen")
		}
		if !labelCharacters.MatchString(label) {
			found = append(found, `contains invalid characters (valid characters: [a-z0-9\-])`)
		}
	}
	if strings.Contains(name, "..") {
		found = append(found, "must not contain consecutive dots")
	}
	if endsWithDot.MatchString(name) {
		found = append(found, "must not end with a dot")
	}
	return found
}
