// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Point is where in a call's life a fault strikes.
type Point int

const (
	// Before: the API server has not seen the call.
	Before Point = iota
	// After: the API server has handled the call, and the manager has no answer.
	After
)

// Fault is what goes wrong with which calls to the API server. At its point it waits if Hold is set, and then does one
// of Drop and Status, or nothing more.
type Fault struct {
	Match func(Call) bool
	// Skip lets the first calls pass; Times bounds how many are struck, 0 for all until Remove.
	Skip, Times int
	Point       Point
	// Hold waits for Release.
	Hold bool
	// Drop ends the connection without an answer.
	Drop bool
	// Status is answered in place of the API server's.
	Status int
}

// Injected is a fault at work.
type Injected struct {
	Fault
	proxy   *Proxy
	release chan struct{}

	// Guarded by proxy.mu.
	seen, hits int
	open       bool
}

// Inject puts a fault to work.
func (p *Proxy) Inject(f Fault) *Injected {
	in := &Injected{Fault: f, proxy: p, release: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, in)
	return in
}

// Wait returns when the fault has struck n calls.
func (in *Injected) Wait(ctx context.Context, n int) error {
	p := in.proxy
	for {
		p.mu.Lock()
		hits, changed := in.hits, p.changed
		p.mu.Unlock()
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

// Hits is how many calls the fault has struck.
func (in *Injected) Hits() int {
	in.proxy.mu.Lock()
	defer in.proxy.mu.Unlock()
	return in.hits
}

// Release lets every call go on that is held, now and later.
func (in *Injected) Release() {
	in.proxy.mu.Lock()
	defer in.proxy.mu.Unlock()
	if !in.open {
		in.open = true
		close(in.release)
	}
}

// Remove takes the fault away and releases what it holds.
func (in *Injected) Remove() {
	in.Release()
	in.proxy.mu.Lock()
	defer in.proxy.mu.Unlock()
	in.proxy.faults = slices.DeleteFunc(in.proxy.faults, func(other *Injected) bool { return other == in })
}

// RemoveFaults takes all faults away.
func (p *Proxy) RemoveFaults() {
	p.mu.Lock()
	faults := slices.Clone(p.faults)
	p.mu.Unlock()
	for _, in := range faults {
		in.Remove()
	}
}

// strike returns, per point, the first fault that strikes a call.
func (p *Proxy) strike(c Call) (before, after *Injected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.faults {
		struck := &before
		if in.Point == After {
			struck = &after
		}
		if *struck != nil || !in.Match(c) {
			continue
		}
		in.seen++
		if in.seen <= in.Skip || in.Times > 0 && in.hits >= in.Times {
			continue
		}
		*struck = in
		// A fault at After has struck only once the call was handled.
		if in.Point == Before {
			in.hit()
		}
	}
	return before, after
}

// hit tells those who wait; the caller holds the lock.
func (in *Injected) hit() {
	in.hits++
	close(in.proxy.changed)
	in.proxy.changed = make(chan struct{})
}

// spoil waits as the fault says, and reports whether it took the place of what comes next.
func (in *Injected) spoil(w http.ResponseWriter) bool {
	if in.Point == After {
		in.proxy.mu.Lock()
		in.hit()
		in.proxy.mu.Unlock()
	}
	if in.Hold {
		<-in.release
	}
	switch {
	case in.Drop:
		panic(http.ErrAbortHandler)
	case in.Status != 0:
		answer(w, in.Status)
		return true
	}
	return false
}

// reasons are how the API server names its refusals.
var reasons = map[int]metav1.StatusReason{
	http.StatusConflict:            metav1.StatusReasonConflict,
	http.StatusGone:                metav1.StatusReasonExpired,
	http.StatusTooManyRequests:     metav1.StatusReasonTooManyRequests,
	http.StatusInternalServerError: metav1.StatusReasonInternalError,
	http.StatusServiceUnavailable:  metav1.StatusReasonServiceUnavailable,
}

func answer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Code: int32(status), Reason: reasons[status], Message: "injected"})
}
