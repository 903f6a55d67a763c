// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessage is the most of a message, in bytes.
	maxMessage = 512
	// maxQuoted is how much of an answer's text is looked at for a message.
	maxQuoted = 4096
	// withheld takes the place of a text from which a secret cannot be cut.
	withheld = "(not shown: it quotes a secret)"
)

// secret is a text that must not be quoted, nor any part of it as long as part.
type secret struct {
	text string
	part int
}

// secretToken and secretCA differ because certificates come with plain words around them.
func secretToken(t Token) secret  { return secret{t.Reveal(), 12} }
func secretCA(text string) secret { return secret{text, 32} }

// tell makes text that came from outside fit for a message: one line, bounded, without the secrets.
func tell(text string, secrets []secret) string {
	if len(text) > maxQuoted {
		text = text[:maxQuoted]
	}
	text = oneLine(text)
	for _, secret := range secrets {
		text = scrub(text, secret)
	}
	for _, secret := range secrets {
		if secret.text != "" && strings.Contains(text, secret.text) {
			return withheld
		}
	}
	return bound(text)
}

// scrub replaces the secret, and every part of it that is long enough to be told from other text, as it is or in the
// encodings in which servers quote what they were sent.
func scrub(text string, secret secret) string {
	if secret.text == "" {
		return text
	}
	hide := make([]bool, len(text))
	found := false
	for _, form := range forms(secret.text) {
		window := min(len(form), secret.part)
		places := map[string][]int{}
		for i := 0; i+window <= len(text); i++ {
			places[text[i:i+window]] = append(places[text[i:i+window]], i)
		}
		for i := 0; i+window <= len(form); i++ {
			for _, place := range places[form[i:i+window]] {
				found = true
				for j := range window {
					hide[place+j] = true
				}
			}
		}
	}
	if !found {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hide[i]:
			b.WriteByte(text[i])
		case i == 0 || !hide[i-1]:
			b.WriteString(redacted)
		}
	}
	// A part may have ended inside a character.
	return strings.ToValidUTF8(b.String(), "")
}

func forms(secret string) []string {
	all := []string{secret, oneLine(secret), url.QueryEscape(secret), url.PathEscape(secret)}
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(escapeHTML)
		// A string can always be encoded.
		_ = encoder.Encode(secret)
		all = append(all, strings.Trim(strings.TrimSpace(b.String()), `"`))
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(form string) bool { return form == "" })
}

// oneLine makes every run of white space and control characters one blank.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, "?")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}

func bound(text string) string {
	const mark = "…"
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage - len(mark)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}
