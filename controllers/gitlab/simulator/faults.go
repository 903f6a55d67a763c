// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Point is where in a request's life a fault strikes.
type Point int

const (
	// BeforeHandling: the request is read and GitLab has not looked at it.
	BeforeHandling Point = iota
	// BeforeSave: an add or edit has passed every check, uniqueness included, and is not stored; other requests go on
	// meanwhile. GitLab has no unique index, so two adds of one scope can both pass here. A fault can only wait at it.
	BeforeSave
	// AfterHandling: GitLab has done it all, and the answer is not sent.
	AfterHandling
)

// Drop is how a connection ends without an answer.
type Drop int

const (
	// DropNone keeps the connection.
	DropNone Drop = iota
	// DropClose ends it in order: the client reads EOF.
	DropClose
	// DropReset aborts it: the client reads a reset.
	DropReset
)

// Fault is what goes wrong with which requests. At its point it waits for Delay or Hold, then does one of Drop, Answer,
// Cut and Pace, or nothing more. The control paths are spared.
type Fault struct {
	// Name stands in the journal; "" means the number of the fault.
	Name string
	// Method, Endpoint (see Entry), Path (a regular expression below the relative URL root) and Match choose the
	// requests; zero values choose all. Match sees a request whose body is already read.
	Method   string
	Endpoint string
	Path     string
	Match    func(*http.Request) bool
	// Skip lets the first requests pass; Times bounds how many are hit, 0 for all until Remove.
	Skip  int
	Times int

	Point Point
	Delay time.Duration
	// Hold waits for Release.
	Hold bool
	Drop Drop
	// Late, with Drop at BeforeHandling, drops the connection first, then waits, then has GitLab handle the request:
	// a commit that comes after the client has given up.
	Late bool
	// Answer takes the place of GitLab's.
	Answer *Answer
	// Cut sends so many bytes of GitLab's body under the length of the whole, then ends the connection; 0 sends none if
	// CutAll is set, and all if not.
	Cut    int
	CutAll bool
	// Pace sends the body, GitLab's or the Answer's, byte by byte with this pause.
	Pace time.Duration
}

// Answer is one that GitLab did not give: a proxy's, or nobody's.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	// Endless repeats the body, or white space, until the client goes.
	Endless bool
	// Redirect, if not "", is put before the request's path and query to make the Location: the way of a proxy that sends
	// http to https, or one host to another. A status that is no redirect becomes 301.
	Redirect string
}

// BadGatewayPage is what the proxy in front of GitLab answers while GitLab starts.
const BadGatewayPage = "<!DOCTYPE html>\n<html>\n<head><title>GitLab is not responding (502)</title></head>\n" +
	"<body><h1>502</h1><h3>Whoops, GitLab is taking too much time to respond.</h3></body>\n</html>\n"

// Injected is a fault at work.
type Injected struct {
	number  int
	fault   Fault
	path    *regexp.Regexp
	faults  *faults
	release chan struct{}

	// Guarded by faults.mu.
	seen    int
	hits    int
	arrived int
	changed chan struct{}
	open    bool
}

type faults struct {
	mu     sync.Mutex
	number int
	active []*Injected
}

// Inject puts a fault to work. An expression in Path that does not compile panics: it is part of the test's text.
func (s *Simulator) Inject(f Fault) *Injected {
	in := &Injected{fault: f, path: regexp.MustCompile(f.Path), faults: s.faults, release: make(chan struct{}),
		changed: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.number++
	in.number = s.faults.number
	if f.Name == "" {
		in.fault.Name = "fault " + decimal(int64(in.number))
	}
	s.faults.active = append(s.faults.active, in)
	return in
}

// Hits is how many requests it has struck.
func (in *Injected) Hits() int {
	in.faults.mu.Lock()
	defer in.faults.mu.Unlock()
	return in.hits
}

// Wait returns when at least n requests that it struck have come to its point.
func (in *Injected) Wait(ctx context.Context, n int) error {
	for {
		in.faults.mu.Lock()
		hits, changed := in.arrived, in.changed
		in.faults.mu.Unlock()
		if hits >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Release lets every request go on that it holds, now and later. It still strikes; a Hold no longer waits.
func (in *Injected) Release() {
	in.faults.mu.Lock()
	defer in.faults.mu.Unlock()
	if !in.open {
		in.open = true
		close(in.release)
	}
}

// Remove takes it away and releases what it holds.
func (in *Injected) Remove() {
	in.Release()
	in.faults.mu.Lock()
	defer in.faults.mu.Unlock()
	in.faults.active = slices.DeleteFunc(in.faults.active, func(other *Injected) bool { return other == in })
}

// RemoveFaults takes all faults away.
func (s *Simulator) RemoveFaults() {
	s.faults.mu.Lock()
	active := slices.Clone(s.faults.active)
	s.faults.mu.Unlock()
	for _, in := range active {
		in.Remove()
	}
}

// strike returns, per point, the first fault that strikes a request.
func (fs *faults) strike(r *http.Request, path, endpoint string) map[Point]*Injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var struck map[Point]*Injected
	for _, in := range fs.active {
		if struck[in.fault.Point] != nil || !in.chooses(r, path, endpoint) {
			continue
		}
		in.seen++
		if in.seen <= in.fault.Skip || in.fault.Times > 0 && in.hits >= in.fault.Times {
			continue
		}
		if struck == nil {
			struck = map[Point]*Injected{}
		}
		struck[in.fault.Point] = in
		in.hits++
	}
	return struck
}

func (in *Injected) chooses(r *http.Request, path, endpoint string) bool {
	f := in.fault
	return (f.Method == "" || f.Method == r.Method) && (f.Endpoint == "" || f.Endpoint == endpoint) &&
		in.path.MatchString(path) && (f.Match == nil || f.Match(r))
}

// reached tells those who wait that a struck request has come to the fault's point.
func (in *Injected) reached() {
	in.faults.mu.Lock()
	defer in.faults.mu.Unlock()
	in.arrived++
	close(in.changed)
	in.changed = make(chan struct{})
}

// pause waits as the fault says. A client that goes away does not end it: GitLab would not notice either.
func (in *Injected) pause(closed <-chan struct{}) {
	in.reached()
	if in.fault.Delay > 0 {
		timer := time.NewTimer(in.fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-in.release:
		case <-closed:
		}
	}
	if in.fault.Hold {
		select {
		case <-in.release:
		case <-closed:
		}
	}
}
