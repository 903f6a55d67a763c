// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// run refreshes the mirror when that is due or wanted, probes an open breaker, and tells the users whose writes were
// refused when one may try again.
func (l *link) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for l.ctx.Err() == nil {
		l.mu.RLock()
		list, tell := l.listDue(), l.tellDue()
		l.mu.RUnlock()
		now := time.Now()
		switch {
		case !list.IsZero() && !list.After(now):
			l.refresh()
			continue
		case !tell.IsZero() && !tell.After(now):
			l.tellRefused()
			continue
		}
		due := list
		if due.IsZero() || !tell.IsZero() && tell.Before(due) {
			due = tell
		}
		timer.Stop()
		if !due.IsZero() {
			timer.Reset(due.Sub(now))
		}
		select {
		case <-l.ctx.Done():
		case <-l.kick:
		case <-timer.C:
		}
	}
}

// listDue is when to send the next list, zero for not until asked; the caller holds the lock.
func (l *link) listDue() time.Time {
	if l.breaker.openForAll() {
		return l.breaker.until
	}
	if l.mirror.begunAt.Before(l.wanted) {
		return l.wanted
	}
	return l.next
}

// tellDue is when to tell the users whose writes were refused, zero for never; the caller holds the lock.
func (l *link) tellDue() time.Time {
	if b := &l.breaker; !b.writes || b.probing != nil || len(b.refused) == 0 {
		return time.Time{}
	}
	return l.breaker.until
}

func (l *link) tellRefused() {
	l.mu.Lock()
	users := slices.Sorted(maps.Keys(l.breaker.refused))
	clear(l.breaker.refused)
	l.mu.Unlock()
	l.announce(Change{Users: users})
}

// retryPause is the most that a list waits before its second try.
const retryPause = time.Second

// refresh sends a list, a second one if the first failed in a way that may pass, and takes the outcome into mirror and
// breaker. A probe of an open breaker has one try.
func (l *link) refresh() {
	l.mu.RLock()
	probe := l.breaker.openForAll()
	l.mu.RUnlock()
	for again := !probe; ; again = false {
		if l.waitForPage(l.ctx) != nil {
			return
		}
		l.mu.Lock()
		if !probe && l.breaker.openForAll() {
			l.mu.Unlock() // another request has been refused meanwhile
			return
		}
		sequence, begun := l.mirror.begin(), time.Now()
		l.mu.Unlock()
		rows, err := l.api.List(l.ctx)
		if err == nil {
			l.listed(rows, sequence, begun)
			return
		}
		cause := asError(err)
		if !again || !mayPass(cause) {
			l.listFailed(cause, begun)
			return
		}
		if sleep(l.ctx, retryPause-rand.N(retryPause/2)) != nil {
			return
		}
	}
}

// mayPass tells failures that a second try may not meet again from refusals.
func mayPass(e *gitlab.Error) bool {
	return e.Kind == gitlab.KindUnreachable || e.Kind == gitlab.KindServer || e.Kind == gitlab.KindUnreadable
}

func (l *link) listed(rows []gitlab.Cluster, sequence uint64, begun time.Time) {
	l.mu.Lock()
	var change Change
	change.IDs, change.Scopes = l.mirror.replace(rows, sequence, begun)
	now := time.Now()
	// A list that began before the breaker opened is no proof, unless it went on after a rate limit's time.
	if l.breaker.openForAll() && (!begun.Before(l.breaker.failed) || !now.Before(l.breaker.until)) {
		change.Users = l.heal()
	}
	l.next = now.Add(jitter(l.options.SyncInterval))
	l.settle()
	l.mu.Unlock()
	if l.options.Refreshed != nil {
		l.options.Refreshed(l.url, begun)
	}
	l.announce(change)
}

func (l *link) listFailed(cause *gitlab.Error, begun time.Time) {
	if l.ctx.Err() != nil {
		return // the list was ended, and nobody waits
	}
	l.mu.Lock()
	users := l.trip(cause, false, begun)
	l.settle()
	l.mu.Unlock()
	l.announce(Change{Users: users})
}

// waitForPage holds a page of the list back as long as the limiter asks, and lets those who wait in View go meanwhile.
func (l *link) waitForPage(ctx context.Context) error {
	stall := func(d time.Duration) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stalled = time.Now().Add(d)
		l.settle()
		return nil
	}
	return l.limiter.wait(ctx, stall)
}

// asError is err as the client's error; what a list may fail with besides is an answer that cannot be used.
func asError(err error) *gitlab.Error {
	var e *gitlab.Error
	if !errors.As(err, &e) {
		e = &gitlab.Error{Kind: gitlab.KindUnreadable, Endpoint: "list", Message: err.Error(), Err: err}
	}
	return e
}
