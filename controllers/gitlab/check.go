// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckToken tells why a token, as read from a Secret, cannot be one, and what to do about it; nil if it can. Surrounding
// white space is no fault. The error never quotes the value.
func CheckToken(token []byte) error {
	token = bytes.TrimSpace(token)
	if len(token) == 0 {
		return errors.New("the token is empty")
	}
	if !utf8.Valid(token) {
		return errors.New("the token is not UTF-8 text")
	}
	text := string(token)
	if strings.ContainsFunc(text, unicode.IsSpace) {
		return errors.New("the token has white space inside: it must be one unbroken line")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
		return errors.New("the token has control or invisible characters inside")
	}
	// Two levels, as data encoded by hand and again by a tool has been seen.
	for range 2 {
		decoded, ok := decodeBase64(text)
		if !ok {
			break
		}
		text = strings.TrimSpace(string(decoded))
		if isJWT(text) || strings.HasPrefix(text, "glpat-") {
			return errors.New("the token is base64 of a token: it was encoded once too often, decode it once")
		}
	}
	return nil
}

// isJWT tells whether text has the shape of a JSON web token, as Kubernetes makes for service accounts.
func isJWT(text string) bool {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || !strings.HasPrefix(text, "ey") {
		return false
	}
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.DecodeString(part); part == "" || err != nil {
			return false
		}
	}
	return true
}

// CheckCertificates tells why text from a Secret cannot serve as a bundle of CA certificates, and what to do about it;
// nil if it can. Expired certificates are no fault: whether to trust them is for those who use them to say. The error
// never quotes the value.
func CheckCertificates(text []byte) error {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return errors.New("the CA certificate is empty")
	}
	if !utf8.Valid(text) {
		if _, err := x509.ParseCertificates(text); err == nil {
			return errors.New("the CA certificate is in DER form: convert it to PEM (openssl x509 -inform der)")
		}
		return errors.New("the CA certificate is not UTF-8 text: it must be PEM")
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return errors.New("the CA certificate has a private key with it: leave only the certificates, and treat the key as disclosed")
	}
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		return checkUnarmoured(string(text))
	}
	return checkBlocks(text)
}

func checkUnarmoured(text string) error {
	decoded, ok := decodeBase64(text)
	switch {
	case ok && bytes.Contains(decoded, []byte("-----BEGIN ")):
		return errors.New("the CA certificate is base64 of PEM: it was encoded once too often, decode it once")
	case ok:
		if _, err := x509.ParseCertificates(decoded); err == nil {
			return errors.New("the CA certificate is base64 without its BEGIN CERTIFICATE and END CERTIFICATE lines: add them")
		}
	}
	return errors.New("the CA certificate is not PEM: it must begin with -----BEGIN CERTIFICATE-----")
}

func checkBlocks(text []byte) error {
	blocks, certificates := 0, 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificates++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d of the CA certificates is not valid X.509", certificates)
		}
	}
	if begun := bytes.Count(text, []byte("-----BEGIN ")); blocks != begun {
		return fmt.Errorf("%d of the %d PEM blocks of the CA certificate are damaged or cut off", begun-blocks, begun)
	}
	if certificates == 0 {
		return errors.New("the CA certificate is PEM, but has no CERTIFICATE block")
	}
	return nil
}

// decodeBase64 decodes either alphabet, padded or not, with line breaks anywhere.
func decodeBase64(text string) ([]byte, bool) {
	text = strings.Join(strings.Fields(text), "")
	text = strings.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	decoded, err := encoding.DecodeString(text)
	return decoded, err == nil && len(decoded) > 0
}
