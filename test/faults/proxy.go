// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package faults tests that GitLab ends up with exactly one cluster for each object whatever dies, and when. The manager
// runs as a process of its own between two parts that can fail at named points: a proxy in front of the real API server,
// and the simulated GitLab.
package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// Call is one request to the API server.
type Call struct {
	Method, Namespace, Resource, Name, Subresource string
	Watch                                          bool
	Body                                           string
}

// Record is a call that was answered.
type Record struct {
	Call
	// Began and Answered are the call's arrival and the moment the answer was handed to the manager's connection.
	Began, Answered time.Time
	// Status is the answer's; 0 if the connection was dropped.
	Status int
}

// Proxy stands between managers and the API server. It forwards with the manager's own credentials.
type Proxy struct {
	target *url.URL
	next   *http.Transport
	// identity lends its certificate: the client library sends credentials over TLS alone.
	identity *httptest.Server

	mu       sync.Mutex
	address  string
	server   *http.Server
	faults   []*Injected
	records  []Record
	changed  chan struct{}
	watchers []func(Call)
	frozen   map[string]chan struct{} // by resource; closed to thaw
	watches  map[*http.Request]watch
}

type watch struct {
	resource string
	cut      context.CancelFunc
}

// NewProxy starts a proxy in front of the control plane. It ends with the test.
func NewProxy(t controlplane.T, cp *controlplane.ControlPlane) *Proxy {
	t.Helper()
	target, _, err := rest.DefaultServerUrlFor(cp.Config)
	if err != nil {
		t.Fatalf("finding the API server: %v", err)
	}
	trusted, err := rest.TLSConfigFor(rest.AnonymousClientConfig(cp.Config))
	if err != nil {
		t.Fatalf("trusting the API server: %v", err)
	}
	trusted.MinVersion = tls.VersionTLS12
	p := &Proxy{
		target:   target,
		identity: httptest.NewTLSServer(http.NotFoundHandler()),
		next:     &http.Transport{TLSClientConfig: trusted, MaxIdleConnsPerHost: 50},
		address:  "127.0.0.1:0",
		changed:  make(chan struct{}),
		frozen:   map[string]chan struct{}{},
		watches:  map[*http.Request]watch{},
	}
	p.Up(t)
	t.Cleanup(func() {
		p.RemoveFaults()
		p.Down()
		p.identity.Close()
		p.next.CloseIdleConnections()
	})
	return p
}

// Config is the access that config has, through the proxy.
func (p *Proxy) Config(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Host = "https://" + p.address
	config.TLSClientConfig = rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.identity.Certificate().Raw})}
	return config
}

// Up listens, again at the same address after Down.
func (p *Proxy) Up(t controlplane.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	p.address = listener.Addr().String()
	// HTTP/1.1 alone: there a request can lose its connection without others losing theirs.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: p.identity.TLS.Certificates, MinVersion: tls.VersionTLS12}}
	go func(s *http.Server) { _ = s.ServeTLS(listener, "", "") }(p.server)
}

// Down closes every connection and refuses new ones: the API server is away. Requests that were forwarded are handled.
func (p *Proxy) Down() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	_ = server.Close()
}

// OnCall has seen called with every call, before it is forwarded.
func (p *Proxy) OnCall(seen func(Call)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers = append(p.watchers, seen)
}

// Records are the answered calls that match, in the order of their answers.
func (p *Proxy) Records(match func(Call) bool) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.matching(match)
}

func (p *Proxy) matching(match func(Call) bool) []Record {
	var found []Record
	for _, r := range p.records {
		if match(r.Call) {
			found = append(found, r)
		}
	}
	return found
}

// WaitAnswered returns when n calls that match and began since then have been answered.
func (p *Proxy) WaitAnswered(ctx context.Context, n int, since time.Time, match func(Call) bool) error {
	for {
		p.mu.Lock()
		changed, count := p.changed, 0
		for _, r := range p.matching(match) {
			if r.Began.After(since) {
				count++
			}
		}
		p.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ServeHTTP forwards a call unless a fault strikes it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	record := Record{Call: read(r), Began: time.Now()}
	p.mu.Lock()
	watchers := p.watchers
	p.mu.Unlock()
	for _, seen := range watchers {
		seen(record.Call)
	}
	before, after := p.strike(record.Call)
	if before != nil && before.spoil(w) {
		return
	}
	// What was forwarded is handled, whatever becomes of the manager or of its connection; a watch is not.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	if record.Watch {
		defer p.noteWatch(r, record.Resource, cancel)()
		defer context.AfterFunc(r.Context(), cancel)()
	}
	response, err := p.forward(ctx, r, record.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	if record.Watch {
		p.stream(ctx, w, response, record.Resource)
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if after != nil && after.spoil(w) {
		return
	}
	writeHeader(w, response)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
	record.Status, record.Answered = response.StatusCode, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records = append(p.records, record)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) forward(ctx context.Context, r *http.Request, body string) (*http.Response, error) {
	to := *r.URL
	to.Scheme, to.Host = p.target.Scheme, p.target.Host
	out, err := http.NewRequestWithContext(ctx, r.Method, to.String(), bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Connection")
	// Bytes go on as they come: the manager's own transport unpacks them.
	if out.Header.Get("Accept-Encoding") == "" {
		out.Header.Set("Accept-Encoding", "identity")
	}
	return p.next.RoundTrip(out)
}

func writeHeader(w http.ResponseWriter, response *http.Response) {
	for key, values := range response.Header {
		if key != "Connection" && key != "Transfer-Encoding" && key != "Content-Length" {
			w.Header()[key] = values
		}
	}
	w.WriteHeader(response.StatusCode)
}

// read takes a call in.
func read(r *http.Request) Call {
	c := Call{Method: r.Method, Watch: r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1"}
	if body, err := io.ReadAll(r.Body); err == nil {
		c.Body = string(body)
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	default:
		return c
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		c.Namespace, parts = parts[1], parts[2:]
	}
	for i, field := range []*string{&c.Resource, &c.Name, &c.Subresource} {
		if i < len(parts) {
			*field = parts[i]
		}
	}
	return c
}
