// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// lost is the error of a request to which no complete answer came. late is from timedOut.
func (x *exchange) lost(err error, sent bool, late string) *Error {
	e := x.fail(KindUnreachable)
	e.Sent, e.Err = sent, err
	host := x.call.url.Host
	switch {
	case late != "" && x.status != 0:
		e.Message = "the answer from " + host + " did not end " + late
	case late != "" && x.flight.connected:
		e.Message = "no answer from " + host + " " + late
	case late != "":
		e.Message = "no connection to " + host + " " + late
	default:
		e.Kind, e.Message = describe(err, host, x.flight.connected)
	}
	e.Message = x.tell(e.Message)
	return e
}

// timedOut says which limit of time a request ran into, "" if none.
func timedOut(parent, ctx context.Context, timeout time.Duration) string {
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		return "before the request was cancelled"
	case parent.Err() != nil:
		return "in time"
	case ctx.Err() != nil:
		return "within " + timeout.String()
	}
	return ""
}

// describe puts an error of the connection in words that are the same at each try. The errors' own texts have port
// numbers of ours, the present time, and more that changes.
func describe(err error, host string, connected bool) (Kind, string) {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "proxyconnect" {
		host = "the proxy"
	}
	if text := describeCertificate(err); text != "" {
		return KindTLS, "the TLS certificate of " + host + " is not trusted: " + text
	}
	failure := "no connection to " + host
	if connected {
		failure = "no answer from " + host
	}
	return KindUnreachable, failure + ": " + describeNetwork(err)
}

func describeCertificate(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var hostname x509.HostnameError
	var other *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		if unknown.Cert == nil {
			return "it is signed by an unknown authority"
		}
		return fmt.Sprintf("it is signed by an unknown authority (%s)", unknown.Cert.Issuer)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		if time.Now().Before(invalid.Cert.NotBefore) {
			return "it is not valid before " + invalid.Cert.NotBefore.UTC().Format(time.RFC3339)
		}
		return "it expired at " + invalid.Cert.NotAfter.UTC().Format(time.RFC3339)
	case errors.As(err, &hostname):
		return strings.TrimPrefix(hostname.Error(), "x509: ")
	case errors.As(err, &other):
		return strings.TrimPrefix(other.Err.Error(), "x509: ")
	}
	return ""
}

func describeNetwork(err error) string {
	var resolution *net.DNSError
	var plain tls.RecordHeaderError
	var refusal proxyRefusal
	var number syscall.Errno
	var timeout net.Error
	text := innermost(err).Error()
	switch {
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.As(err, &resolution) && resolution.IsNotFound:
		return "the name " + resolution.Name + " is not known (no such host)"
	case errors.As(err, &resolution):
		return "the name " + resolution.Name + " could not be resolved"
	case errors.As(err, &plain):
		return "it does not speak TLS: the URL may need http:// or another port"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case closed(err, text):
		return "the connection was closed"
	case errors.As(err, &number):
		return number.Error()
	case strings.Contains(text, "malformed"):
		return "what came is not HTTP, or cut off"
	}
	return addresses.ReplaceAllString(text, "")
}

// closed tells all the ways in which the other side can end a connection: which of them it is depends on the moment.
func closed(err error, text string) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(text, "server closed idle connection")
}

// addresses matches both ends of a connection, one of them a port of ours, as net prints them.
var addresses = regexp.MustCompile(`\S+->\S+:\s*`)

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
