// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"maps"
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

// trip opens the breaker and answers whom to tell; the caller holds the lock.
func (l *link) trip(cause *gitlab.Error, writes bool, begun time.Time) []string {
	now := time.Now()
	until := now.Add(jitter(l.options.SyncInterval))
	switch {
	case cause.Kind == gitlab.KindRateLimited:
		until = now.Add(max(cause.RetryAfter, time.Second))
		l.limiter.pauseUntil(until)
	case !writes && mayPass(cause):
		until = now.Add(jitter(min(l.breaker.outage(), l.options.SyncInterval)))
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

func (l *link) observe(e gitlab.Exchange) {
	l.limiter.observe(e.RateLimit, time.Now())
	l.log.V(1).Info("request", "method", e.Method, "endpoint", e.Endpoint, "status", e.Status, "took", e.Duration,
		"requestID", e.RequestID, "error", e.Err)
	if l.options.Observe != nil {
		l.options.Observe(l.url, e)
	}
}
