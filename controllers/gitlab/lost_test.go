// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":7}"

func TestAnAnswerThatDoesNotComeIsLost(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string
		kind    Kind
		status  int
		message string
	}{
		"closed after the request":     {"", KindUnreachable, 0, "no answer from HOST: the connection was closed"},
		"closed in the status line":    {"HTTP/1.1 20", KindUnreachable, 0, "no answer from HOST: what came is not HTTP, or cut off"},
		"closed in the headers":        {"HTTP/1.1 200 OK\r\nContent-", KindUnreachable, 0, "no answer from HOST: what came is not HTTP, or cut off"},
		"not HTTP":                     {"SSH-2.0-OpenSSH_9.6\r\n\r\n", KindUnreachable, 0, "no answer from HOST: what came is not HTTP, or cut off"},
		"closed in the body":           {"HTTP/1.1 SUCCESS OK\r\nContent-Length: 100\r\n\r\n{\"id\":7,", KindUnreadable, 1, "the answer broke off"},
		"closed in a chunk":            {"HTTP/1.1 SUCCESS OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"id\"", KindUnreadable, 1, "the answer broke off"},
		"closed in a refusal's reason": {"HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\n{\"mess", KindForbidden, 403, "Forbidden"},
	} {
		for _, endpoint := range endpoints {
			if endpoint.name == "delete" && test.status == 1 {
				continue
			}
			t.Run(name+" "+endpoint.name, func(t *testing.T) {
				var requests atomic.Int32
				address := listen(t, func(_ int, conn net.Conn, in *bufio.Reader) {
					if _, ok := readRequest(in); ok {
						requests.Add(1)
						_, _ = io.WriteString(conn, strings.ReplaceAll(test.answer, "SUCCESS", fmt.Sprint(endpoint.success)))
					}
				})
				e := fails(t, endpoint.make(t.Context(), client(t, address)), test.kind)
				status := test.status
				if status == 1 {
					status = endpoint.success
				}
				want := strings.ReplaceAll(test.message, "HOST", strings.TrimPrefix(address, "http://"))
				if e.Status != status || e.Message != want || !e.Sent {
					t.Errorf("got %+v, want message %q", e, want)
				}
				if e.Refused() != (test.status == 403) {
					t.Errorf("refused %t", e.Refused())
				}
				if n := requests.Load(); n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		}
	}
}

func TestTheTimeoutCoversTheWholeExchange(t *testing.T) {
	hang := func(before string) string {
		return listen(t, func(_ int, conn net.Conn, in *bufio.Reader) {
			_, _ = readRequest(in)
			_, _ = io.WriteString(conn, before)
			_, _ = in.ReadByte() // until the client gives up
		})
	}
	drip := listen(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = readRequest(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			if _, err := io.WriteString(conn, "1\r\n \r\n"); err != nil {
				return
			}
		}
	})
	silent := hang("")
	slow := hang("HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":7,")
	short := func(o *Options) { o.Timeout = 150 * time.Millisecond }
	for _, test := range []struct {
		name, address, message string
		status                 int
	}{
		{"no answer", silent, "no answer from HOST within 150ms", 0},
		{"a body without an end", slow, "the answer from HOST did not end within 150ms", 201},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := client(t, test.address, short).Add(t.Context(), wanted())
			e := fails(t, err, KindUnreachable)
			want := strings.ReplaceAll(test.message, "HOST", strings.TrimPrefix(test.address, "http://"))
			if e.Message != want || e.Status != test.status || !e.Sent || e.Refused() || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %+v", e)
			}
		})
	}
	t.Run("a body that drips", func(t *testing.T) {
		_, err := client(t, drip, short).Add(t.Context(), wanted())
		var e *Error
		if !errors.As(err, &e) || e.Refused() {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		_, err := client(t, silent).Add(ctx, wanted())
		if e := fails(t, err, KindUnreachable); !strings.HasSuffix(e.Message, " in time") || e.Refused() {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("the caller's cancellation", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := client(t, silent).Add(ctx, wanted())
		if e := fails(t, err, KindUnreachable); !errors.Is(err, context.Canceled) || e.Refused() {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("cancelled before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client(t, silent).Add(ctx, wanted())
		if e := fails(t, err, KindUnreachable); e.Sent || !e.Refused() {
			t.Errorf("got %+v", e)
		}
	})
}

func TestNothingIsSentWithoutAConnection(t *testing.T) {
	closedServer := httptest.NewServer(http.NotFoundHandler())
	closedServer.Close()
	host := strings.TrimPrefix(closedServer.URL, "http://")
	for _, endpoint := range endpoints {
		e := fails(t, endpoint.make(t.Context(), client(t, closedServer.URL)), KindUnreachable)
		if e.Sent || !e.Refused() || e.Status != 0 || !errors.Is(e, syscall.ECONNREFUSED) ||
			e.Error() != endpoint.name+": no connection to "+host+": connection refused" {
			t.Errorf("%s: %+v", endpoint.name, e)
		}
	}
}

// brokenConn refuses to write once it is broken, as a connection does whose other side has reset it.
type brokenConn struct {
	net.Conn
	broken *atomic.Bool
}

func (b brokenConn) Write(p []byte) (int, error) {
	if b.broken.Load() {
		return 0, &net.OpError{Op: "write", Net: "tcp", Source: b.LocalAddr(), Addr: b.RemoteAddr(), Err: os.NewSyscallError("write", syscall.EPIPE)}
	}
	return b.Conn.Write(p)
}

// TestAnAddOnADeadConnection holds net/http to what is written in its source (persistConn.shouldRetryRequest): it may
// repeat what it did not write, and never an add.
func TestAnAddOnADeadConnection(t *testing.T) {
	for _, test := range []struct {
		endpoint string
		repeated bool
	}{{"list", true}, {"get", true}, {"edit", true}, {"delete", true}, {"add", false}} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(test.endpoint+" over "+scheme, func(t *testing.T) {
				var methods []string
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					methods = append(methods, r.Method)
					switch {
					case r.URL.RawQuery != "":
						reply(200, "["+answered+"]")(w, r)
					case r.Method == "DELETE":
						w.WriteHeader(204)
					default:
						reply(200, answered)(w, r)
					}
				})
				server := httptest.NewUnstartedServer(handler)
				if scheme == "https" {
					server.StartTLS()
				} else {
					server.Start()
				}
				defer server.Close()
				c := client(t, server.URL)
				var broken atomic.Bool
				var dials atomic.Int32
				c.transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // The certificate is not the subject.
				c.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					if err == nil && dials.Add(1) == 1 {
						conn = brokenConn{conn, &broken}
					}
					return &countingConn{Conn: conn}, err
				}
				if _, err := c.Get(t.Context(), 7); err != nil {
					t.Fatal(err)
				}
				broken.Store(true)
				methods = nil
				for _, endpoint := range endpoints {
					if endpoint.name != test.endpoint {
						continue
					}
					err := endpoint.make(t.Context(), c)
					if test.repeated {
						if err != nil || len(methods) != 1 || dials.Load() != 2 {
							t.Errorf("%v, the server saw %v over %d connections", err, methods, dials.Load())
						}
						continue
					}
					e := fails(t, err, KindUnreachable)
					if len(methods) != 0 || e.Sent || !e.Refused() || dials.Load() != 1 {
						t.Errorf("%+v, the server saw %v over %d connections", e, methods, dials.Load())
					}
				}
			})
		}
	}
}

func TestAnAddOnAConnectionThatTheServerCloses(t *testing.T) {
	var mu sync.Mutex
	var added []int
	address := listen(t, func(n int, conn net.Conn, in *bufio.Reader) {
		for {
			r, ok := readRequest(in)
			if !ok {
				return
			}
			if r.Method == "POST" {
				mu.Lock()
				added = append(added, n)
				mu.Unlock()
				return // closes, as a server does whose idle time has just run out
			}
			_, _ = io.WriteString(conn, ok200)
		}
	})
	c := client(t, address)
	if _, err := c.Get(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	_, err := c.Add(t.Context(), wanted())
	e := fails(t, err, KindUnreachable)
	mu.Lock()
	defer mu.Unlock()
	if len(added) != 1 || added[0] != 1 {
		t.Errorf("added over the connections %v, want once, over the first", added)
	}
	if !e.Sent || e.Refused() {
		t.Errorf("sent %t, refused %t", e.Sent, e.Refused())
	}
}

func TestAnAddHasNothingToRepeatItWith(t *testing.T) {
	c := client(t, "https://gitlab.example.com")
	for method, want := range map[string]bool{http.MethodPost: false, http.MethodPut: true} {
		x := exchange{client: c, call: call{method: method, url: c.base, body: []byte("{}")}}
		r := x.request(t.Context())
		if (r.GetBody != nil) != want || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != "" {
			t.Errorf("%s: GetBody %t, headers %v", method, r.GetBody != nil, r.Header)
		}
	}
}

func TestASealedConnectionLetsNothingThrough(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	conn := &countingConn{Conn: near}
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(far)
		read <- all
	}()
	if _, err := conn.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if n := conn.seal(); n != 3 {
		t.Errorf("counted %d", n)
	}
	if n, err := conn.Write([]byte("def")); n != 0 || err == nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	_ = conn.Close()
	if all := <-read; string(all) != "abc" {
		t.Errorf("%q came through", all)
	}
}

func TestBytesOnTheirWayCountAsSent(t *testing.T) {
	near, far := net.Pipe() // nobody reads: a write hangs
	conn := &countingConn{Conn: near}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = conn.Write([]byte("abc"))
	}()
	for conn.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	if n := conn.seal(); n != 3 {
		t.Errorf("counted %d", n)
	}
	_ = far.Close()
	<-done
	if n := conn.count(); n != 0 {
		t.Errorf("counted %d of a write that failed", n)
	}
}

func TestConnectionErrorsAreToldTheSameEachTime(t *testing.T) {
	address := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port} }
	for _, test := range []struct {
		err       error
		connected bool
		want      string
	}{
		{&net.OpError{Op: "read", Net: "tcp", Source: address(43210), Addr: address(443), Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true,
			"no answer from HOST: the connection was closed"},
		{&net.OpError{Op: "dial", Net: "tcp", Addr: address(443), Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, false,
			"no connection to HOST: no route to host"},
		{&net.OpError{Op: "dial", Net: "tcp", Addr: address(443), Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, false, "no connection to HOST: timed out"},
		{&net.OpError{Op: "dial", Net: "tcp", Addr: address(443), Err: os.ErrDeadlineExceeded}, false, "no connection to HOST: timed out"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: "gitlab.example.com", Server: "10.0.0.10:53", Err: "no such host", IsNotFound: true}}, false,
			"no connection to HOST: the name gitlab.example.com is not known (no such host)"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: "gitlab.example.com", Server: "10.0.0.10:53", Err: "read udp 10.1.2.3:43210->10.0.0.10:53: i/o timeout", IsTimeout: true}}, false,
			"no connection to HOST: the name gitlab.example.com could not be resolved"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}, false,
			"no connection to the proxy: connection refused"},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, false, "no connection to HOST: tls: handshake failure"},
		{errors.New("odd thing: read tcp 10.1.2.3:43210->10.0.0.1:443: it happened"), true, "no answer from HOST: odd thing: read tcp it happened"},
	} {
		if kind, text := describe(test.err, "HOST", test.connected); kind != KindUnreachable || text != test.want {
			t.Errorf("%v:\ngot  %v %s\nwant %s", test.err, kind, text, test.want)
		}
	}
}

func TestProxiesAreNamedWithoutTheirPasswords(t *testing.T) {
	refuse := listen(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = readRequest(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
	})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for address, want := range map[string]string{
		refuse:   "no connection to gitlab.example.com: the proxy refused it: 407 Proxy Authentication Required",
		gone.URL: "no connection to the proxy: connection refused",
	} {
		proxyURL, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		proxyURL.User = url.UserPassword("somebody", "SENTINEL-password")
		c := client(t, "https://gitlab.example.com")
		c.transport.Proxy = http.ProxyURL(proxyURL)
		_, err = c.Add(t.Context(), wanted())
		if e := fails(t, err, KindUnreachable); e.Message != want || e.Sent || !e.Refused() {
			t.Errorf("got %+v, want %q", e, want)
		}
	}
}
