// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ServerOptions says how a server is reached.
type ServerOptions struct {
	// Address is host:port; "" means a free port of the loopback address. A stopped server keeps its port.
	Address string
	// Certificate makes it an HTTPS server; see CA.
	Certificate *tls.Certificate
	// HTTP2 offers HTTP/2 over TLS. A dropped connection is then a reset stream.
	HTTP2 bool
}

// Server is a simulator at an address.
type Server struct {
	// URL is the address with the relative URL root, without a slash at the end.
	URL string

	simulator   *Simulator
	options     ServerOptions
	certificate atomic.Pointer[tls.Certificate]
	resets      atomic.Int64

	mu      sync.Mutex
	server  *http.Server
	stopped chan struct{}
}

// NewServer starts a server.
func NewServer(s *Simulator, o ServerOptions) (*Server, error) {
	o.Address = cmp.Or(o.Address, "127.0.0.1:0")
	srv := &Server{simulator: s, options: o}
	srv.certificate.Store(o.Certificate)
	if err := srv.Start(); err != nil {
		return nil, err
	}
	return srv, nil
}

// Start listens again after Stop, at the same address.
func (srv *Server) Start() error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.server != nil {
		return errors.New("the server runs already")
	}
	listener, err := net.Listen("tcp", srv.options.Address)
	if err != nil {
		return err
	}
	srv.options.Address = listener.Addr().String()
	server := &http.Server{Handler: srv.simulator, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	listener = &unreliable{Listener: listener, resets: &srv.resets}
	scheme := "http"
	if srv.options.Certificate != nil {
		scheme = "https"
		protocols := []string{"http/1.1"}
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		if srv.options.HTTP2 {
			protocols = []string{"h2", "http/1.1"}
			server.Protocols.SetHTTP2(true)
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return srv.certificate.Load(), nil }}
	}
	srv.URL = fmt.Sprintf("%s://%s%s", scheme, srv.options.Address, srv.simulator.options.BasePath)
	srv.simulator.set(func(w *switches) { w.externalURL = cmp.Or(w.externalURL, srv.URL) })
	srv.server, srv.stopped = server, make(chan struct{})
	go func(stopped chan struct{}) {
		defer close(stopped)
		if scheme == "https" {
			_ = server.ServeTLS(listener, "", "")
		} else {
			_ = server.Serve(listener)
		}
	}(srv.stopped)
	return nil
}

// Stop refuses connections from now on and cuts those there are. Requests that are being handled go on without them.
func (srv *Server) Stop() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.server == nil {
		return
	}
	_ = srv.server.Close()
	<-srv.stopped
	srv.server = nil
}

// Shutdown stops after the answers under way, at the latest when the context ends.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.mu.Lock()
	server := srv.server
	srv.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Shutdown(ctx)
	srv.Stop()
	return err
}

// Close stops the server and closes the simulator.
func (srv *Server) Close() {
	srv.simulator.Close()
	srv.Stop()
}

// SetCertificate shows another certificate to new connections.
func (srv *Server) SetCertificate(c tls.Certificate) { srv.certificate.Store(&c) }

// ResetConnections resets the next n new connections before a byte of them is read.
func (srv *Server) ResetConnections(n int) { srv.resets.Store(int64(n)) }

// unreliable is a listener that can reset what it accepts.
type unreliable struct {
	net.Listener
	resets *atomic.Int64
}

func (l *unreliable) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		left := l.resets.Load()
		if left <= 0 || !l.resets.CompareAndSwap(left, left-1) {
			return conn, nil
		}
		abort(conn)
	}
}
