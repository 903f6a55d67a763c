// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unique"
)

const redacted = "[redacted]"

// Token is a secret. Tokens of equal value are equal (==), and none of the ways in which Go prints, logs or encodes
// a value shows it; Reveal is the only way to it.
type Token struct {
	// A handle, not a string: fmt does not call the methods of a field it cannot reach, and a Token in an unexported
	// field of somebody else's struct would be printed by its parts.
	value unique.Handle[string]
}

// NewToken trims surrounding white space, such as the newline at the end of a file; nothing left is the zero Token.
func NewToken(s string) Token {
	if s = strings.TrimSpace(s); s == "" {
		return Token{}
	}
	return Token{value: unique.Make(strings.Clone(s))}
}

// Reveal returns the secret, "" for the zero Token.
func (t Token) Reveal() string {
	if t.IsZero() {
		return ""
	}
	return t.value.Value()
}

// IsZero tells whether there is no token.
func (t Token) IsZero() bool { return t == Token{} }

func (t Token) String() string               { return redacted }
func (t Token) GoString() string             { return redacted }
func (t Token) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, redacted) }
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (t Token) LogValue() slog.Value         { return slog.StringValue(redacted) }
