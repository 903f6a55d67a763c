// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

const (
	adminToken   = "glpat-SENTINEL-admin-0123"
	clusterToken = "SENTINEL.cluster/token+with=\"odd\"<characters>"
)

// seen is a request as GitLab saw it.
type seen struct {
	Method, URI, Body string
	Header            http.Header
}

// fake is a server that keeps what it was sent and answers as told.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	requests []seen
}

func serve(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.requests = append(f.requests, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Server.Close)
	return f
}

// reply is an answer that is always the same; headers come in pairs.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (f *fake) all() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.requests...)
}

func (f *fake) only(t *testing.T) seen {
	t.Helper()
	all := f.all()
	if len(all) != 1 {
		t.Fatalf("the server saw %d requests, want 1: %v", len(all), all)
	}
	return all[0]
}

// client is a client of the server at that address.
func client(t *testing.T, url string, change ...func(*Options)) *Client {
	t.Helper()
	options := Options{URL: url, Token: NewToken(adminToken), Timeout: 20 * time.Second, UserAgent: "test/1"}
	for _, c := range change {
		c(&options)
	}
	c, err := NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// wanted is a cluster with every attribute set.
func wanted() Attributes {
	return Attributes{
		Name: "production", EnvironmentScope: "production/*", Domain: "apps.example.com", ManagementProjectID: 42,
		Enabled: true, Managed: false, NamespacePerEnvironment: true, APIURL: "https://k8s.example.com:6443",
		Token: NewToken(clusterToken), CACert: "a certificate", Namespace: "apps", AuthorizationType: "rbac",
	}
}

// fails insists that err is an *Error of the kind.
func fails(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error of kind %q", err, kind)
	}
	if e.Kind != kind {
		t.Fatalf("got kind %q, want %q: %v", e.Kind, kind, e)
	}
	return e
}

// endpoints are all requests that a client can make.
var endpoints = []struct {
	name, method, uri string
	success           int
	make              func(context.Context, *Client) error
}{
	{"list", "GET", "/api/v4/admin/clusters?page=1&per_page=100", 200, func(ctx context.Context, c *Client) error {
		_, err := c.List(ctx)
		return err
	}},
	{"get", "GET", "/api/v4/admin/clusters/7", 200, func(ctx context.Context, c *Client) error {
		_, err := c.Get(ctx, 7)
		return err
	}},
	{"add", "POST", "/api/v4/admin/clusters/add", 201, func(ctx context.Context, c *Client) error {
		_, err := c.Add(ctx, wanted())
		return err
	}},
	{"edit", "PUT", "/api/v4/admin/clusters/7", 200, func(ctx context.Context, c *Client) error {
		_, err := c.Edit(ctx, 7, wanted(), []Field{FieldToken})
		return err
	}},
	{"delete", "DELETE", "/api/v4/admin/clusters/7", 204, func(ctx context.Context, c *Client) error {
		return c.Delete(ctx, 7)
	}},
}

// listen serves each connection with handle, which gets its number from 1 on.
func listen(t *testing.T, handle func(n int, conn net.Conn, in *bufio.Reader)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	all.Go(func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				handle(n, conn, bufio.NewReader(conn))
			})
		}
	})
	return "http://" + listener.Addr().String()
}

// readRequest reads one request whole; false if none came.
func readRequest(in *bufio.Reader) (seen, bool) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return seen{}, false
	}
	body, err := io.ReadAll(r.Body)
	return seen{r.Method, r.RequestURI, string(body), r.Header}, err == nil
}

// certificate makes a self-signed certificate for 127.0.0.1, valid between the two instants.
func certificate(t testing.TB, from, to time.Time, names ...string) (text string, der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, DNSNames: names,
	}
	if len(names) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), der, key
}

func valid(t testing.TB) (text string) {
	text, _, _ = certificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	return text
}
