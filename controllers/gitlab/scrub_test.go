// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestEchoedSecretsAreCutOut(t *testing.T) {
	ca := valid(t)
	quoted := func(s string) string {
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded)
	}
	middle := clusterToken[3 : len(clusterToken)-3]
	for name, echo := range map[string]string{
		"the admin token":             adminToken,
		"the cluster token":           clusterToken,
		"in other words":              "xx" + adminToken + "yy" + clusterToken + "zz",
		"twice":                       clusterToken + " " + clusterToken,
		"a part of it":                middle,
		"its beginning":               clusterToken[:20] + "...",
		"in JSON":                     quoted(clusterToken),
		"in JSON in JSON":             quoted(quoted(clusterToken)),
		"in a query":                  url.QueryEscape(clusterToken),
		"in a path":                   url.PathEscape(clusterToken),
		"the certificate":             ca,
		"the certificate on one line": strings.ReplaceAll(ca, "\n", `\n`),
		"the certificate in a query":  url.QueryEscape(ca),
		"after much else":             strings.Repeat("x", 400) + clusterToken + strings.Repeat("y", 400),
		"across the cut":              strings.Repeat("x", maxQuoted-15) + clusterToken,
	} {
		for shape, body := range map[string]string{
			"text":        echo,
			"message":     `{"message":` + quoted(echo) + `}`,
			"error":       `{"error":` + quoted(echo) + `,"error_description":` + quoted(echo) + `}`,
			"field":       `{"message":{"token":[` + quoted(echo) + `]}}`,
			"key":         `{"message":{` + quoted(echo) + `:["is wrong"]}}`,
			"page":        "<html><title>" + echo + "</title>" + echo,
			"broken JSON": `{"message":` + quoted(echo),
		} {
			t.Run(name+" in "+shape, func(t *testing.T) {
				server := serve(t, reply(400, body, "Content-Type", "text/plain"))
				want := wanted()
				want.CACert = ca
				_, err := client(t, server.URL).Add(t.Context(), want)
				e := fails(t, err, KindInvalid)
				fields, err := json.Marshal(e.Fields)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range []string{e.Message, e.Error(), string(fields)} {
					for _, part := range []string{"SENTINEL-admin", "SENTINEL.cluster", ca[40:80], ca[100:140]} {
						if strings.Contains(text, part) {
							t.Errorf("%q is in %q", part, text)
						}
					}
				}
			})
		}
	}
}

func TestAnEncodedSecretIsCutOutWhole(t *testing.T) {
	for _, escapeHTML := range []bool{true, false} {
		var quoted strings.Builder
		encoder := json.NewEncoder(&quoted)
		encoder.SetEscapeHTML(escapeHTML)
		if err := encoder.Encode(clusterToken); err != nil {
			t.Fatal(err)
		}
		for _, echo := range []string{clusterToken, url.QueryEscape(clusterToken), url.PathEscape(clusterToken), strings.Trim(quoted.String(), "\"\n")} {
			if got := tell("<"+echo+">", []secret{secretToken(NewToken(clusterToken))}); got != "<"+redacted+">" {
				t.Errorf("%s became %s", echo, got)
			}
		}
	}
}

func TestSecretsInARedirectAreCutOut(t *testing.T) {
	server := serve(t, reply(302, "", "Location", "https://"+adminToken+".example.com/"+adminToken+"?t="+adminToken))
	_, err := client(t, server.URL).Get(t.Context(), 7)
	if e := fails(t, err, KindRedirect); strings.Contains(e.Message, "SENTINEL") {
		t.Error(e.Message)
	}
}

func TestOrdinaryWordsStay(t *testing.T) {
	server := serve(t, reply(400, `{"message":{"platform_kubernetes.ca_cert":["must be a valid PEM certificate"],"token":["can't be blank"]}}`))
	want := wanted()
	want.CACert = "Certificate:\n  Issuer: CN=Root\n" + valid(t)
	_, err := client(t, server.URL).Add(t.Context(), want)
	if e := fails(t, err, KindInvalid); e.Message != "platform_kubernetes.ca_cert: must be a valid PEM certificate; token: can't be blank" {
		t.Error(e.Message)
	}
}

var fixedTime = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

func FuzzErrorMessage(f *testing.F) {
	f.Add(clusterToken, "the token "+clusterToken+" is wrong", "text/plain")
	f.Add(adminToken, `{"message":{"token":["`+adminToken+`"]}}`, "application/json")
	f.Add("abcdefgh", `{"error":"abcd\u0065fgh"}`, "application/json")
	f.Add("abcdefgh", "<title>abcd&#101;fgh</title>", "text/html")
	f.Add("abcdefghabcdefgh", "abcdefghabcdefghabcdefgh", "")
	f.Add("abcd?efgh", "abcd\xffefgh", "text/plain")
	f.Add("redacted-a", "redacted-a [redacted]", "text/plain")
	f.Fuzz(func(t *testing.T, value, body, kind string) {
		token := NewToken(value)
		if len(token.Reveal()) < 8 || CheckToken([]byte(value)) != nil || strings.Contains(withheld+redacted, token.Reveal()) {
			return
		}
		for _, standing := range []string{"a web page with the title \"\"", "no explanation", "; : ", http.StatusText(400)} {
			if strings.Contains(standing, token.Reveal()) {
				return
			}
		}
		x := exchange{call: call{url: &url.URL{Scheme: "https", Host: "h"}, endpoint: endpointAdd}, status: 400,
			header: http.Header{"Content-Type": {kind}}, secrets: []secret{secretToken(token), secretCA("")}}
		e := x.refused([]byte(body), fixedTime)
		shown := []string{e.Message}
		for key, messages := range e.Fields {
			shown = append(append(shown, key), messages...)
		}
		for _, text := range shown {
			if strings.Contains(text, token.Reveal()) {
				t.Errorf("%q is in %q", token.Reveal(), text)
			}
			if len(text) > maxMessage || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("not a bounded line: %q", text)
			}
		}
		if again := x.refused([]byte(body), fixedTime); again.Message != e.Message {
			t.Errorf("first %q, then %q", e.Message, again.Message)
		}
	})
}
