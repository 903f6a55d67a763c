// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// link is what the users of one connection share. One goroutine, run, sends all its lists, one at a time.
type link struct {
	id      identity
	url     string
	api     api
	options *Options
	log     logr.Logger
	limiter *limiter
	ctx     context.Context // ends when the link is closed
	cancel  context.CancelFunc
	kick    chan struct{} // has an element when run has something to look at

	mu       sync.RWMutex
	users    map[string]string // the version of the Secrets of each user
	versions map[string]int    // how many users have it
	mirror   mirror
	breaker  breaker
	wanted   time.Time     // somebody waits for a list begun not before
	next     time.Time     // when the next list is due if nobody asks for one; zero before the first
	stalled  time.Time     // the running list waits for the limiter until then
	settled  chan struct{} // closed and replaced when what View waits for may have come
}

func newLink(o *Options, id identity, url string) *link {
	l := &link{
		id:       id,
		url:      url,
		options:  o,
		log:      o.Log.WithValues("gitlab", url),
		limiter:  newLimiter(o.QPS, o.Burst),
		kick:     make(chan struct{}, 1),
		users:    map[string]string{},
		versions: map[string]int{},
		mirror:   newMirror(),
		settled:  make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func (l *link) close() {
	l.cancel()
	l.api.Close()
}

// join notes a user and the version of its Secrets. A version that nobody here had before, of a user that had another
// one, is a changed Secret and has the breaker probed at once. The first version of a user is no news: objects that
// come one by one, each with Secrets of its own, must not probe once each.
func (l *link) join(user, version string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, here := l.users[user]
	if here && before == version {
		return
	}
	unseen := l.versions[version] == 0
	l.versions[version]++
	if here {
		l.forget(before)
	}
	l.users[user] = version
	if known && unseen {
		l.breaker.reconsider(time.Now())
		l.wake()
	}
}

// part takes a user off and answers how many are left.
func (l *link) part(user string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version, here := l.users[user]; here {
		delete(l.users, user)
		delete(l.breaker.refused, user)
		l.forget(version)
	}
	return len(l.users)
}

func (l *link) forget(version string) {
	if l.versions[version]--; l.versions[version] <= 0 {
		delete(l.versions, version)
	}
}

// wake has run look again at what is due.
func (l *link) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// settle wakes those who wait in View; the caller holds the lock.
func (l *link) settle() {
	close(l.settled)
	l.settled = make(chan struct{})
}

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

// trip opens the breaker and answers whom to tell; the caller holds the lock.
func (l *link) trip(cause *gitlab.Error, writes bool, begun time.Time) []string {
	now := time.Now()
	until := now.Add(jitter(l.options.SyncInterval))
	if cause.Kind == gitlab.KindRateLimited {
		until = now.Add(max(cause.RetryAfter, time.Second))
		l.limiter.pauseUntil(until)
	}
	before := l.breaker.cause
	news := l.breaker.trip(cause, writes, begun, now, until)
	if before == nil || before.Kind != l.breaker.cause.Kind {
		l.log.Info("GitLab refuses and is left alone for now", "cause", cause.Error(), "writesOnly", writes,
			"until", l.breaker.until)
	}
	l.wake()
	if !news {
		return nil
	}
	l.settle()
	return slices.Sorted(maps.Keys(l.users))
}

// heal closes the breaker and answers whom to tell; the caller holds the lock.
func (l *link) heal() []string {
	users := slices.Sorted(maps.Keys(l.users))
	if l.breaker.writes {
		users = slices.Sorted(maps.Keys(l.breaker.refused))
	}
	l.breaker = breaker{}
	l.log.Info("GitLab is asked again")
	return users
}

func (l *link) announce(c Change) {
	if l.options.Changed == nil || len(c.IDs)+len(c.Scopes)+len(c.Users) == 0 || l.ctx.Err() != nil {
		return
	}
	c.URL = l.url
	l.options.Changed(c)
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

func (l *link) observe(e gitlab.Exchange) {
	l.limiter.observe(e.RateLimit, time.Now())
	l.log.V(1).Info("request", "method", e.Method, "endpoint", e.Endpoint, "status", e.Status, "took", e.Duration,
		"requestID", e.RequestID, "error", e.Err)
	if l.options.Observe != nil {
		l.options.Observe(l.url, e)
	}
}

// asError is err as the client's error; what a list may fail with besides is an answer that cannot be used.
func asError(err error) *gitlab.Error {
	var e *gitlab.Error
	if !errors.As(err, &e) {
		e = &gitlab.Error{Kind: gitlab.KindUnreadable, Endpoint: "list", Message: err.Error(), Err: err}
	}
	return e
}
