// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

// CertificateDigest is the hex SHA-256 over the DER of all CERTIFICATE blocks in their order, so that line ends,
// surrounding text and the white space that GitLab strips make no difference. Text without a certificate, which older
// GitLab versions stored as well, yields "text:" and the digest of the trimmed text; blank text "".
func CertificateDigest(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	hash := sha256.New()
	found := false
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			found = true
			hash.Write(block.Bytes)
		}
	}
	if !found {
		sum := sha256.Sum256([]byte(text))
		return "text:" + hex.EncodeToString(sum[:])
	}
	return hex.EncodeToString(hash.Sum(nil))
}
