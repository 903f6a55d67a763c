// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// exchange is the connection's side of a request: how an answer goes out, or does not.
type exchange struct {
	simulator *Simulator
	w         http.ResponseWriter
	r         *http.Request
	entry     *Entry
}

// send writes an answer whole. The journal has it before the client does, so that a test that was answered finds it.
func (x *exchange) send(a answer) {
	x.end(a.status, x.r.Context().Err() != nil)
	x.begin(a.status, a.header, len(a.body))
	if x.r.Method == http.MethodHead || len(a.body) == 0 {
		return
	}
	if _, err := x.w.Write(a.body); err != nil {
		x.end(a.status, true)
	}
}

// spoil does what a fault says in place of sending the answer, and tells whether it did.
func (x *exchange) spoil(f Fault, a answer) bool {
	handled := a.status != 0
	switch {
	case f.Drop != DropNone:
		x.drop(f.Drop)
	case f.Answer != nil:
		x.replace(f)
	case handled && (f.CutAll || f.Cut > 0):
		x.cut(a, f.Cut)
	case handled && f.Pace > 0:
		x.begin(a.status, a.header, len(a.body))
		x.end(a.status, x.trickle(a.body, f.Pace) != nil)
	default:
		return false
	}
	return true
}

// replace sends the fault's own answer.
func (x *exchange) replace(f Fault) {
	body := []byte(f.Answer.Body)
	length := len(body)
	if f.Answer.Endless {
		length = -1
		if len(body) == 0 {
			body = bytes.Repeat([]byte{' '}, 32<<10)
		}
	}
	status, header := f.Answer.begin(x.r, body)
	x.end(status, false)
	x.begin(status, header, length)
	var err error
	for again := true; again && err == nil; again = f.Answer.Endless {
		if f.Pace > 0 {
			err = x.trickle(body, f.Pace)
		} else if _, err = x.w.Write(body); err == nil && f.Answer.Endless {
			err = http.NewResponseController(x.w).Flush()
		}
		if x.over() {
			break
		}
	}
	if err != nil {
		x.end(status, true)
	}
}

// begin returns the status and headers of an answer to a request.
func (a *Answer) begin(r *http.Request, body []byte) (int, http.Header) {
	status, header := a.Status, http.Header{}
	maps.Copy(header, a.Header)
	if a.Redirect != "" {
		if status/100 != 3 {
			status = http.StatusMovedPermanently
		}
		header.Set("Location", a.Redirect+r.URL.RequestURI())
	}
	if header.Get("Content-Type") == "" && len(body) > 0 {
		header.Set("Content-Type", http.DetectContentType(body))
		if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && strings.ContainsRune("{[", rune(trimmed[0])) {
			header.Set("Content-Type", "application/json")
		}
	}
	return status, header
}

// cut sends the first bytes of an answer and ends the connection.
func (x *exchange) cut(a answer, n int) {
	n = min(n, len(a.body))
	x.end(a.status, true)
	x.begin(a.status, a.header, len(a.body))
	_, _ = x.w.Write(a.body[:n])
	_ = http.NewResponseController(x.w).Flush()
	panic(http.ErrAbortHandler)
}

func (x *exchange) trickle(body []byte, pace time.Duration) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	control := http.NewResponseController(x.w)
	for i := range body {
		if _, err := x.w.Write(body[i : i+1]); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-x.r.Context().Done():
			return x.r.Context().Err()
		case <-x.simulator.closed:
			return net.ErrClosed
		}
	}
	return nil
}

// over tells whether nobody waits for more.
func (x *exchange) over() bool {
	select {
	case <-x.r.Context().Done():
		return true
	case <-x.simulator.closed:
		return true
	default:
		return false
	}
}

// drop ends the connection without an answer.
func (x *exchange) drop(how Drop) {
	x.end(0, true)
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		// HTTP/2 has no connection to give away: the stream is reset.
		panic(http.ErrAbortHandler)
	}
	if how == DropReset {
		abort(conn)
	}
	_ = conn.Close()
}

// abort makes the close of a connection a reset.
func abort(conn net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	if plain, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = plain.SetLinger(0)
		_ = conn.Close()
	}
}

// begin writes status and headers; a negative length is left out.
func (x *exchange) begin(status int, header http.Header, length int) {
	to := x.w.Header()
	for key, values := range header {
		to[key] = values
	}
	if length >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		to.Set("Content-Length", strconv.Itoa(length))
	}
	x.w.WriteHeader(status)
}

func (x *exchange) end(status int, lost bool) {
	x.simulator.journal.update(x.entry, func(e *Entry) {
		e.Status, e.Lost, e.Ended = status, lost, x.simulator.options.Now()
	})
}
