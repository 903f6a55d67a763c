// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

func TestStopsAndStartsAtTheSameAddress(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*"))
	url := g.server.URL
	g.server.Stop()
	if _, err := g.try("GET", clusters, ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("stopped: %v", err)
	}
	if err := g.server.Start(); err != nil {
		t.Fatal(err)
	}
	if g.server.URL != url {
		t.Errorf("it moved from %s to %s", url, g.server.URL)
	}
	g.do("GET", clusters, "").wantNoFault(t)
	if g.server.Start() == nil {
		t.Error("it started twice")
	}
	if _, err := simulator.NewServer(g.Simulator, simulator.ServerOptions{Address: url[len("http://"):]}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("two at one address: %v", err)
	}
}

func TestResetsConnectionsBeforeReading(t *testing.T) {
	g := start(t, simulator.Options{})
	g.server.ResetConnections(1)
	if _, err := g.try("POST", clusters+"/add", body("*")); err == nil {
		t.Error("an answer came")
	}
	if n := len(g.Journal()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
	g.add(body("*"))
}

func TestServesTLS(t *testing.T) {
	ca, err := simulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	issue := func(c simulator.Certificate) *tls.Certificate {
		issued, err := ca.Issue(c)
		if err != nil {
			t.Fatal(err)
		}
		return issued
	}
	for _, http2 := range []bool{false, true} {
		g := serve(t, simulator.Options{}, simulator.ServerOptions{Certificate: issue(simulator.Certificate{}), HTTP2: http2})
		if _, err := g.try("GET", clusters, ""); !errors.As(err, new(x509.UnknownAuthorityError)) {
			t.Errorf("without the CA: %v", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca.PEM())
		trust := func() {
			g.client.CloseIdleConnections()
			g.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
		}
		trust()
		g.do("GET", clusters, "").want(t, 200, "[]")
		for _, drop := range []simulator.Drop{simulator.DropClose, simulator.DropReset} {
			g.Inject(simulator.Fault{Times: 1, Drop: drop})
			if _, err := g.try("POST", clusters+"/add", body("*")); err == nil {
				t.Error("an answer came")
			}
		}
		g.server.SetCertificate(*issue(simulator.Certificate{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}))
		trust()
		var invalid x509.CertificateInvalidError
		if _, err := g.try("GET", clusters, ""); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
			t.Errorf("expired: %v", err)
		}
		g.server.SetCertificate(*issue(simulator.Certificate{Hosts: []string{"elsewhere.example.com"}}))
		trust()
		if _, err := g.try("GET", clusters, ""); !errors.As(err, new(x509.HostnameError)) {
			t.Errorf("wrong host: %v", err)
		}
	}
}
