// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

func TestTokensAreCheckedBeforeTheyAreSent(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, test := range map[string]struct{ token, why string }{
		"a JWT":                       {jwt, ""},
		"a personal access token":     {"glpat-abcDEF123_-x", ""},
		"with surrounding newlines":   {"\r\n" + jwt + "\r\n", ""},
		"opaque":                      {"0123456789abcdef0123456789abcdef", ""},
		"opaque base64":               {encode("something else that is secret"), ""},
		"UTF-8":                       {"pässwörd", ""},
		"empty":                       {"", "empty"},
		"blank":                       {" \n\t", "empty"},
		"binary":                      {"\xff\xfe\x00", "not UTF-8"},
		"a blank inside":              {"abc def", "white space"},
		"a line break inside":         {"abc\ndef", "white space"},
		"a no-break space inside":     {"abc\u00a0def", "white space"},
		"a NUL inside":                {"abc\x00def", "control"},
		"a byte order mark":           {"\ufeff" + jwt, "invisible"},
		"base64 of a JWT":             {encode(jwt), "decode it once"},
		"base64 of a JWT and newline": {encode(jwt + "\n"), "decode it once"},
		"base64 without padding":      {strings.TrimRight(encode(jwt), "="), "decode it once"},
		"base64url of a JWT":          {base64.RawURLEncoding.EncodeToString([]byte(jwt)), "decode it once"},
		"base64 of an access token":   {encode("glpat-abcDEF123_-x"), "decode it once"},
		"base64 of base64 of a JWT":   {encode(encode(jwt)), "decode it once"},
	} {
		t.Run(name, func(t *testing.T) { checked(t, CheckToken([]byte(test.token)), test.token, test.why) })
	}
}

func TestCertificatesAreCheckedBeforeTheyAreSent(t *testing.T) {
	text, der, _ := certificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	expired, _, _ := certificate(t, time.Unix(0, 0), time.Unix(1000, 0))
	block := func(kind, data string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(data)}))
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	for name, test := range map[string]struct{ text, why string }{
		"one":                         {text, ""},
		"two":                         {text + valid(t), ""},
		"two with text between":       {"# first\n" + text + "\n\nIssuer: somebody\n" + valid(t), ""},
		"expired":                     {expired, ""},
		"CRLF":                        {strings.ReplaceAll(text, "\n", "\r\n"), ""},
		"blanks around":               {"\n\n" + text + "\n\n", ""},
		"with a public key":           {text + block("PUBLIC KEY", "x"), ""},
		"empty":                       {"", "empty"},
		"blank":                       {" \n", "empty"},
		"DER":                         {string(der), "DER form"},
		"binary":                      {"\xff\xfe\x00SENTINEL", "not UTF-8"},
		"base64 of PEM":               {encoded, "decode it once"},
		"base64 of PEM in lines":      {encoded[:64] + "\n" + encoded[64:], "decode it once"},
		"base64 without its lines":    {base64.StdEncoding.EncodeToString(der), "add them"},
		"a private key":               {block("PRIVATE KEY", "x"), "private key"},
		"an RSA private key after it": {text + block("RSA PRIVATE KEY", "x"), "private key"},
		"an encrypted key before it":  {block("ENCRYPTED PRIVATE KEY", "x") + text, "private key"},
		"words":                       {"SENTINEL of no use", "not PEM"},
		"no certificate in it":        {block("PUBLIC KEY", "SENTINEL"), "no CERTIFICATE block"},
		"not X.509":                   {block("CERTIFICATE", "SENTINEL"), "certificate 1 "},
		"the second is not X.509":     {text + block("CERTIFICATE", "SENTINEL"), "certificate 2 "},
		"cut off":                     {text[:len(text)/2], "1 of the 1 PEM blocks"},
		"the second is cut off":       {text + text[:len(text)/2], "1 of the 2 PEM blocks"},
		"in one line":                 {strings.ReplaceAll(text, "\n", " "), "1 of the 1 PEM blocks"},
	} {
		t.Run(name, func(t *testing.T) { checked(t, CheckCertificates([]byte(test.text)), test.text, test.why) })
	}
}

// checked compares an error with the words it must have, "" for none, and makes sure that it quotes nothing.
func checked(t *testing.T, err error, value, why string) {
	t.Helper()
	switch {
	case why == "" && err != nil:
		t.Errorf("refused: %v", err)
	case why != "" && err == nil:
		t.Errorf("not refused, want %q", why)
	case why != "" && !strings.Contains(err.Error(), why):
		t.Errorf("got %q, want %q in it", err, why)
	}
	if value = strings.TrimSpace(value); err != nil && len(value) > 4 && strings.Contains(err.Error(), value[:5]) {
		t.Errorf("%q quotes the value", err)
	}
}

func TestTheDigestIsOfTheCertificates(t *testing.T) {
	one, two := valid(t), valid(t)
	same := []string{one + two, one + "\n\n" + two + "\n", "# a comment\n" + strings.ReplaceAll(one+two, "\n", "\r\n"), strings.TrimSpace(one + two)}
	for _, text := range same {
		if CertificateDigest(text) != CertificateDigest(same[0]) {
			t.Errorf("differs: %q", text)
		}
	}
	digests := map[string]string{}
	for name, text := range map[string]string{"one": one, "two": two, "both": one + two, "both, turned": two + one, "text": "text", "none": ""} {
		digest := CertificateDigest(text)
		if other, taken := digests[digest]; taken {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		digests[digest] = name
	}
	if CertificateDigest(" \n") != "" || CertificateDigest(" text\n") != CertificateDigest("text") {
		t.Error("text is not trimmed")
	}
	if !strings.HasPrefix(CertificateDigest("text"), "text:") || len(CertificateDigest(one)) != 64 {
		t.Error("the digest has not the promised form")
	}
}

func FuzzCertificates(f *testing.F) {
	text := valid(f)
	for _, seed := range []string{"", " ", text, text + text, text[:100], strings.ReplaceAll(text, "\n", "\r\n"),
		base64.StdEncoding.EncodeToString([]byte(text)), "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "\xff\xfe"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		digest := CertificateDigest(string(data))
		if digest != CertificateDigest("\n"+string(data)+"\r\n") {
			t.Error("surrounding white space changes the digest")
		}
		if (digest == "") != (strings.TrimSpace(string(data)) == "") {
			t.Errorf("digest %q", digest)
		}
		if CheckCertificates(data) != nil {
			return
		}
		if strings.HasPrefix(digest, "text:") {
			t.Error("accepted without a certificate")
		}
		if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
			t.Error("accepted with a private key")
		}
	})
}

func FuzzCheckToken(f *testing.F) {
	for _, seed := range []string{"", "glpat-x", "Z2xwYXQteA==", "a b", "\x00", "\xff", "ey.a.b", "\ufeffx"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := CheckToken(data)
		token := NewToken(string(data))
		if err == nil && (token.IsZero() || strings.ContainsAny(token.Reveal(), " \t\r\n\x00\x7f")) {
			t.Errorf("accepted %q", data)
		}
	})
}
