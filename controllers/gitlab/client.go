// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package gitlab is the client of GitLab's admin clusters API (lib/api/admin/instance_clusters.rb): every request that
// the operator sends to GitLab is made here. It knows nothing of Kubernetes.
package gitlab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	defaultTimeout = 30 * time.Second
	// maxBody is the most of an answer that is read, after decompression.
	maxBody = 16 << 20
)

// The endpoints, as Exchange and Error name them.
const (
	endpointList   = "list"
	endpointGet    = "get"
	endpointAdd    = "add"
	endpointEdit   = "edit"
	endpointDelete = "delete"
)

// Options say which GitLab to talk to, and how.
type Options struct {
	// URL is that of GitLab itself, as NormalizeURL returns it.
	URL   string
	Token Token
	// CA is PEM that is trusted besides the system's roots; empty for none.
	CA []byte
	// Timeout is that of a request as a whole, the answer's body included. 0 means 30 seconds.
	Timeout   time.Duration
	UserAgent string
	// Observe is called once for each request after it has ended, from the goroutine that made it; may be nil.
	Observe func(Exchange)
	// BeforePage is called before each page of a list but the first; its error ends the list and is returned as it is.
	// It may wait; may be nil.
	BeforePage func(context.Context) error
}

// Exchange is what happened in one request. It holds no secret.
type Exchange struct {
	Method string
	// Endpoint is "list", "get", "add", "edit" or "delete".
	Endpoint string
	// Status is 0 if no answer came.
	Status    int
	Duration  time.Duration
	RequestID string
	RateLimit RateLimit
	// Err is the *Error of the request, nil if it succeeded.
	Err error
}

// Client talks to one GitLab with one token. It may be used by several goroutines at once.
type Client struct {
	options   Options
	base      *url.URL
	transport *http.Transport
}

// NewClient sends nothing; its errors are about the options, and stand for themselves.
func NewClient(o Options) (*Client, error) {
	normalized, err := NormalizeURL(o.URL)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(normalized + "/api/v4/admin/clusters")
	if err != nil {
		return nil, errors.New("the URL is malformed")
	}
	if o.Token.IsZero() {
		return nil, errors.New("the token is empty")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CA) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("the CA certificate is not a PEM certificate")
		}
		config.RootCAs = roots
	}
	return &Client{options: o, base: base, transport: newTransport(config)}, nil
}

// Close drops idle connections; requests under way end as they would.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// call is one request to make.
type call struct {
	method, endpoint string
	url              *url.URL
	// body is the JSON to send, nil for none.
	body []byte
	// status is the only success.
	status int
	// secrets are those in the body, besides the client's own token.
	secrets []secret
}

// answer is a success.
type answer struct {
	header http.Header
	body   []byte
}

// do makes one request. Success is the status that the call names, with a body that decode accepts; everything else
// is an *Error. decode may be nil.
func (c *Client) do(ctx context.Context, call call, decode func(answer) error) error {
	started := time.Now()
	x := exchange{client: c, call: call, secrets: append(call.secrets, secretToken(c.options.Token))}
	err := x.run(ctx, decode)
	if c.options.Observe != nil {
		seen := Exchange{Method: call.method, Endpoint: call.endpoint, Status: x.status, Duration: time.Since(started),
			RequestID: x.requestID, RateLimit: x.rateLimit}
		if err != nil {
			seen.Err = err
		}
		c.options.Observe(seen)
	}
	if err != nil {
		return err
	}
	return nil
}

// exchange is one request on its way.
type exchange struct {
	client    *Client
	call      call
	secrets   []secret
	status    int
	header    http.Header
	requestID string
	rateLimit RateLimit
	flight    flight
}

func (x *exchange) run(parent context.Context, decode func(answer) error) *Error {
	timeout := x.client.options.Timeout
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	response, err := x.client.transport.RoundTrip(x.request(x.flight.watch(ctx)))
	if err != nil {
		sent := x.flight.land()
		return x.lost(err, sent, timedOut(parent, ctx, timeout))
	}
	defer response.Body.Close()
	now := time.Now()
	x.status, x.header = response.StatusCode, response.Header
	x.requestID = requestID(response.Header)
	x.rateLimit = readRateLimit(response.Header, now)

	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case x.status != x.call.status:
		// The status says what happened even if its explanation was lost.
		return x.refused(body, now)
	case x.status == http.StatusNoContent:
		return nil
	case err != nil && ctx.Err() != nil:
		return x.lost(err, true, timedOut(parent, ctx, timeout))
	case err != nil:
		return x.unreadable("the answer broke off", err)
	case len(body) > maxBody:
		return x.unreadable("the answer is longer than 16 MiB", nil)
	}
	if err := decode(answer{header: x.header, body: body}); err != nil {
		return x.unreadable(describeBody(x.header, body, err), nil)
	}
	return nil
}

// request builds what is sent. It goes to the transport without http.Client, which alone would follow redirects.
func (x *exchange) request(ctx context.Context) *http.Request {
	r := &http.Request{
		Method: x.call.method,
		URL:    x.call.url,
		Host:   x.call.url.Host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Accept": {"application/json"},
			// Not Private-Token: an intermediary that follows redirects drops Authorization when the host changes.
			"Authorization": {"Bearer " + x.client.options.Token.Reveal()},
		},
	}
	if x.client.options.UserAgent != "" {
		r.Header.Set("User-Agent", x.client.options.UserAgent)
	}
	if x.call.method != http.MethodGet {
		// GitLab that reads only answers writes of any other type, a deletion without a body among them, with a redirect
		// (lib/gitlab/middleware/read_only/controller.rb).
		r.Header.Set("Content-Type", "application/json")
	}
	if x.call.body != nil {
		r.ContentLength = int64(len(x.call.body))
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.call.body)), nil }
		r.Body, _ = open()
		if x.call.method != http.MethodPost {
			// With GetBody net/http may repeat a request of which it wrote nothing. Not so an add, which runs once.
			r.GetBody = open
		}
	}
	return r.WithContext(ctx)
}
