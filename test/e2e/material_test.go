// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"time"

	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// certificate is a new one in PEM, without white space around it.
func certificate() string {
	return certificateUntil(time.Now().AddDate(1, 0, 0))
}

// certificateUntil is a certificate that is valid until then.
func certificateUntil(until time.Time) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: until.AddDate(-2, 0, 0), NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// privateKey is a new one in PEM.
func privateKey() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	der, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// newCA is a certificate authority.
func newCA() *simulator.CA {
	ca, err := simulator.NewCA()
	Expect(err).NotTo(HaveOccurred())
	return ca
}

// secured makes a GitLab that shows a certificate of the authority.
func secured(ca *simulator.CA, c simulator.Certificate) func(*simulator.Options, *simulator.ServerOptions) {
	return func(_ *simulator.Options, o *simulator.ServerOptions) {
		var err error
		o.Certificate, err = ca.Issue(c)
		Expect(err).NotTo(HaveOccurred())
	}
}
