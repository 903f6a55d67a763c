// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// serveTLS serves over TLS with a new certificate, whose text it returns too.
func serveTLS(t *testing.T, from, to time.Time, maxVersion uint16, names ...string) (server *httptest.Server, text string) {
	t.Helper()
	text, der, key := certificate(t, from, to, names...)
	server = httptest.NewUnstartedServer(reply(201, answered))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS10, MaxVersion: maxVersion}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, text
}

func trusting(text string) func(*Options) {
	return func(o *Options) { o.CA = []byte(text) }
}

func TestTheCertificateIsVerified(t *testing.T) {
	now := time.Now()
	good, ca := serveTLS(t, now.Add(-time.Hour), now.Add(time.Hour), 0)
	expired, expiredCA := serveTLS(t, now.Add(-48*time.Hour), time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), 0)
	future, futureCA := serveTLS(t, time.Date(2224, 5, 6, 7, 8, 9, 0, time.UTC), time.Date(2225, 5, 6, 7, 8, 9, 0, time.UTC), 0)
	other, otherCA := serveTLS(t, now.Add(-time.Hour), now.Add(time.Hour), 0, "other.example.com")
	for _, test := range []struct {
		name   string
		server *httptest.Server
		ca     string
		why    string
	}{
		{"its CA given", good, ca, ""},
		{"its CA among others", good, otherCA + "\n# the second\n" + strings.ReplaceAll(ca, "\n", "\r\n"), ""},
		{"no CA", good, "", "it is signed by an unknown authority (CN=Test Authority)"},
		{"another CA", good, otherCA, "it is signed by an unknown authority (CN=Test Authority)"},
		{"expired", expired, expiredCA, "it expired at 2024-05-06T07:08:09Z"},
		{"not yet valid", future, futureCA, "it is not valid before 2224-05-06T07:08:09Z"},
		{"for another name", other, otherCA, "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := client(t, test.server.URL, trusting(test.ca)).Add(t.Context(), wanted())
			if test.why == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := fails(t, err, KindTLS)
			want := "the TLS certificate of " + strings.TrimPrefix(test.server.URL, "https://") + " is not trusted: " + test.why
			if e.Message != want || e.Sent || !e.Refused() || e.Status != 0 {
				t.Errorf("got %+v\nwant %q", e, want)
			}
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	now := time.Now()
	server, ca := serveTLS(t, now.Add(-time.Hour), now.Add(time.Hour), tls.VersionTLS12)
	if _, err := client(t, server.URL, trusting(ca)).Add(t.Context(), wanted()); err != nil {
		t.Error("TLS 1.2:", err)
	}
	server, ca = serveTLS(t, now.Add(-time.Hour), now.Add(time.Hour), tls.VersionTLS11)
	_, err := client(t, server.URL, trusting(ca)).Add(t.Context(), wanted())
	if e := fails(t, err, KindUnreachable); e.Sent || !strings.Contains(e.Message, "tls: ") {
		t.Errorf("TLS 1.1: %+v", e)
	}
}

func TestAWrongSchemeIsNamed(t *testing.T) {
	plain := serve(t, reply(201, answered))
	_, err := client(t, strings.Replace(plain.URL, "http:", "https:", 1)).Add(t.Context(), wanted())
	e := fails(t, err, KindUnreachable)
	if e.Sent || !strings.HasSuffix(e.Message, "it does not speak TLS: the URL may need http:// or another port") {
		t.Errorf("got %+v", e)
	}
	secure, _ := serveTLS(t, time.Now(), time.Now(), 0)
	_, err = client(t, strings.Replace(secure.URL, "https:", "http:", 1)).Add(t.Context(), wanted())
	if e := fails(t, err, KindInvalid); !strings.Contains(e.Message, "HTTP request to an HTTPS server") {
		t.Errorf("got %+v", e)
	}
}

// connectProxy is a proxy that connects everything to target.
func connectProxy(t *testing.T, target string) *url.URL {
	t.Helper()
	u, err := url.Parse(listen(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		r, ok := readRequest(in)
		if !ok || r.Method != http.MethodConnect {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer out.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		var back sync.WaitGroup
		back.Go(func() {
			_, _ = io.Copy(conn, out)
			_ = conn.Close()
		})
		_, _ = io.Copy(out, in)
		_ = out.Close()
		back.Wait()
	}))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWhatAProxyIsSentIsNotTheRequest(t *testing.T) {
	now := time.Now()
	server, ca := serveTLS(t, now.Add(-time.Hour), now.Add(time.Hour), 0)
	through := connectProxy(t, strings.TrimPrefix(server.URL, "https://"))

	trusted := client(t, server.URL, trusting(ca))
	trusted.transport.Proxy = http.ProxyURL(through)
	if _, err := trusted.Add(t.Context(), wanted()); err != nil {
		t.Error(err)
	}
	distrusted := client(t, server.URL)
	distrusted.transport.Proxy = http.ProxyURL(through)
	_, err := distrusted.Add(t.Context(), wanted())
	if e := fails(t, err, KindTLS); e.Sent {
		t.Errorf("got %+v", e)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	token := NewToken(adminToken)
	for name, options := range map[string]Options{
		"no URL":              {Token: token},
		"a URL with /api/v4":  {URL: "https://gitlab.example.com/api/v4", Token: token},
		"no token":            {URL: "https://gitlab.example.com"},
		"a CA that is not it": {URL: "https://gitlab.example.com", Token: token, CA: []byte("SENTINEL")},
	} {
		if c, err := NewClient(options); err == nil || c != nil || strings.Contains(err.Error(), "SENTINEL") {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}
