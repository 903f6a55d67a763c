// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of a request's body.
const maxBody = 64 << 20

// call is one request as GitLab sees it, free of its connection.
type call struct {
	method   string
	path     string
	rawQuery string
	query    url.Values
	header   http.Header
	body     []byte
	scheme   string
	host     string
	route    route
	entry    *Entry
	// save is waited at before a checked add or edit is stored; nil for no wait.
	save func()
}

// answer is GitLab's answer before it is sent.
type answer struct {
	status    int
	header    http.Header
	body      []byte
	clusterID int64
	committed bool
}

// ServeHTTP answers a request as GitLab would, unless a fault strikes it.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.control(w, r) {
		return
	}
	c, entry, err := s.read(r)
	if err != nil {
		return
	}
	struck := s.faults.strike(r, c.path, c.route.endpoint)
	s.journal.update(entry, func(e *Entry) { e.Fault = names(struck) })
	if wait := struck[BeforeSave]; wait != nil {
		c.save = func() { wait.pause(s.closed) }
	}
	s.delay()

	x := &exchange{simulator: s, w: w, r: r, entry: entry}
	if before := struck[BeforeHandling]; before != nil {
		if before.fault.Late && before.fault.Drop != DropNone {
			go s.handleLate(c, before)
			x.drop(before.fault.Drop)
			return
		}
		before.pause(s.closed)
		if x.spoil(before.fault, answer{}) {
			return
		}
	}
	a := s.handle(c)
	s.handled(entry, a)
	if after := struck[AfterHandling]; after != nil {
		after.pause(s.closed)
		if x.spoil(after.fault, a) {
			return
		}
	}
	x.send(a)
}

// read takes the request in and begins its journal entry.
func (s *Simulator) read(r *http.Request) (*call, *Entry, error) {
	path := r.URL.EscapedPath()
	if base := s.options.BasePath; base != "" {
		if rest, below := strings.CutPrefix(path, base); below && (rest == "" || rest[0] == '/') {
			path = rest
		} else {
			path = "//outside" + path
		}
	}
	query, _ := url.ParseQuery(r.URL.RawQuery)
	c := &call{method: r.Method, path: path, rawQuery: r.URL.RawQuery, query: query, header: r.Header.Clone(),
		scheme: "http", host: r.Host, route: match(r.Method, path)}
	if r.TLS != nil {
		c.scheme = "https"
	}
	entry := &Entry{Method: r.Method, Path: strings.TrimPrefix(path, "//outside"), Query: withoutCredentials(query),
		Header: publicHeader(r.Header), Endpoint: c.route.endpoint, ClusterID: c.route.clusterID, Credentials: credential(c) != "", Began: s.options.Now()}
	s.mu.Lock()
	if token := s.tokens[credential(c)]; token != nil {
		entry.Token = token.Name
	}
	s.mu.Unlock()
	c.entry = entry
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	c.body, entry.Body = body, body
	s.journal.begin(entry)
	if err != nil {
		s.journal.update(entry, func(e *Entry) { e.Ended, e.Lost = s.options.Now(), true })
	}
	return c, entry, err
}

// handled notes in the journal what GitLab did.
func (s *Simulator) handled(entry *Entry, a answer) {
	s.journal.update(entry, func(e *Entry) {
		e.Handled, e.Committed = true, a.committed
		if a.committed {
			e.CommittedAt = s.options.Now()
		}
		if a.clusterID != 0 {
			e.ClusterID = a.clusterID
		}
	})
}

// handleLate has GitLab handle a request whose client was told nothing.
func (s *Simulator) handleLate(c *call, in *Injected) {
	in.pause(s.closed)
	s.handled(c.entry, s.handle(c))
}

func (s *Simulator) delay() {
	if d := s.current().latency; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closed:
		}
	}
}

func names(struck map[Point]*Injected) string {
	var all []string
	for _, point := range []Point{BeforeHandling, BeforeSave, AfterHandling} {
		if in := struck[point]; in != nil {
			all = append(all, in.fault.Name)
		}
	}
	return strings.Join(all, ", ")
}
