// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestATokenIsNeverShown(t *testing.T) {
	token := NewToken(" \n" + adminToken + "\r\n")
	if token.Reveal() != adminToken || token.IsZero() {
		t.Fatalf("revealed %q", token.Reveal())
	}
	c := client(t, "https://gitlab.example.com")
	attributes := wanted()
	attributes.Token = token
	hidden := struct{ inner struct{ token Token } }{}
	hidden.inner.token = token
	exchange := &exchange{client: c, call: call{url: c.base}}
	var shown []string
	for _, value := range []any{token, &token, []Token{token}, map[Token]Token{token: token}, attributes, &attributes, hidden,
		Options{Token: token}, c, *c, exchange} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	shown = append(shown, fmt.Sprint(token), token.String(), token.GoString(), token.LogValue().String())
	for _, value := range []any{token, &token, attributes, map[string]any{"a": token}, map[Token]int{token: 1}} {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		shown = append(shown, string(encoded))
	}
	encoded, err := xml.Marshal(token)
	if err != nil {
		t.Error(err)
	}
	shown = append(shown, string(encoded))
	var log bytes.Buffer
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
		logger.Info("x", "token", token, "pointer", &token, "attributes", attributes, "hidden", hidden, slog.Group("g", "token", token))
	}
	shown = append(shown, log.String())
	for _, text := range shown {
		for _, form := range []string{adminToken, fmt.Sprintf("%x", adminToken), fmt.Sprintf("%X", adminToken), fmt.Sprint([]byte(adminToken)), "SENTINEL"} {
			if strings.Contains(text, form) {
				t.Errorf("shown in %s", text)
			}
		}
	}
}

func TestTokensAreComparedByValue(t *testing.T) {
	if NewToken("abc") != NewToken("\tabc ") || NewToken("abc") == NewToken("abd") {
		t.Error("tokens of equal value differ, or of different value do not")
	}
	for _, blank := range []Token{{}, NewToken(""), NewToken(" \r\n\t")} {
		if !blank.IsZero() || blank.Reveal() != "" {
			t.Errorf("%q is not zero", blank.Reveal())
		}
	}
}
