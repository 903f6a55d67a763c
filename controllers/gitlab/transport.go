// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"
)

func newTransport(config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	// HTTP/1.1 alone: there a connection carries one request at a time, so that the bytes written to it are the
	// request's, and net/http has no rules of its own for repeating a request.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &countingConn{Conn: conn}, nil
		},
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 10 * time.Second,
		Protocols:           protocols,
		// Shorter than the keep-alive of every common server and load balancer: a request on a connection that the
		// other side is just closing has an outcome that nobody knows.
		IdleConnTimeout:        15 * time.Second,
		MaxIdleConnsPerHost:    100,
		MaxResponseHeaderBytes: 1 << 20,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
			if response.StatusCode != http.StatusOK {
				return proxyRefusal(response.StatusCode)
			}
			return nil
		},
	}
}

// proxyRefusal is the status with which a proxy declined to connect.
type proxyRefusal int

func (p proxyRefusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy refused it: %d %s", int(p), http.StatusText(int(p))))
}

// flight finds out whether anything of a request was written. It counts bytes at the connection rather than believe
// httptrace.WroteHeaders, which fires when the headers are in a buffer, and only once they all are.
type flight struct {
	mu   sync.Mutex
	conn *countingConn
	// written is what the connection had carried before the request: handshakes and earlier requests.
	written int64
	sent    bool
	// connected tells that the request was given a connection.
	connected bool
}

func (f *flight) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		f.settle()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.connected = true
		if f.conn = unwrap(info.Conn); f.conn == nil {
			f.sent = true
			return
		}
		f.written = f.conn.count()
	}})
}

// land tells whether anything of a request that failed was written, and sees to it that nothing is from now on.
func (f *flight) land() bool {
	f.settle()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// settle ends the account of the connection that the request has, if any.
func (f *flight) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return
	}
	if f.conn.seal() > f.written {
		f.sent = true
	}
	f.conn = nil
}

func unwrap(conn net.Conn) *countingConn {
	for {
		switch c := conn.(type) {
		case *countingConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// countingConn counts what is written to it, bytes on their way included, until it is sealed.
type countingConn struct {
	net.Conn
	mu      sync.Mutex
	written int64
	sealed  bool
}

var errSealed = errors.New("the request was given up")

func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.sealed {
		c.mu.Unlock()
		return 0, errSealed
	}
	c.written += int64(len(p))
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.written -= int64(len(p) - n)
	c.mu.Unlock()
	return n, err
}

func (c *countingConn) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// seal returns the count and lets no further byte through. Without it, a request that was given up could still be
// written by net/http's own goroutine after it was judged.
func (c *countingConn) seal() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	return c.written
}
