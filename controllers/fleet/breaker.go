// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// Open is returned instead of sending a request while the connection's breaker is open.
type Open struct {
	// Cause is the answer that opened the breaker or, since then, that of the latest probe.
	Cause *gitlab.Error
	// Until is when GitLab is asked again at the earliest.
	Until time.Time
}

// Error has no time in it: it is the same until the cause changes.
func (o *Open) Error() string { return o.Cause.Error() }

// Unwrap answers the cause.
func (o *Open) Unwrap() error { return o.Cause }

// recheckPause is the least time from a failed probe to the one that a changed Secret brings about: Secrets that
// change one after another share a probe.
const recheckPause = time.Second

// breaker keeps objects from asking GitLab, one by one, what it has just refused to one of them. Open for all
// requests, it is probed by a list. Open for writes alone (a read-only instance or token, maintenance mode), it is
// probed by the first write that comes when it is time. It has no lock and no clock.
type breaker struct {
	cause  *gitlab.Error // nil while closed
	writes bool          // only writes are held back
	failed time.Time     // the latest answer of the cause's kind
	until  time.Time     // no probe before

	recheck time.Time       // the cause may have been mended then, and the list that tells is still to come
	probing *request        // the write that is on its way as the probe
	passing int             // probes in a row that failed in a way that may pass
	refused map[string]bool // users whose writes were held back since users were last told
}

// openForAll tells that no request goes out.
func (b *breaker) openForAll() bool { return b.cause != nil && !b.writes }

// A GitLab that cannot be reached, or answers with an error of its server, is usually back within minutes: it is probed
// after outageFirst, then after twice that and so on up to outageMost, and at least once per sync interval.
const (
	outageFirst = 5 * time.Second
	outageMost  = 5 * time.Minute
)

// outage counts one more failure that may pass, and answers how long to wait for the next probe.
func (b *breaker) outage() time.Duration {
	wait := outageMost
	if b.passing < 6 {
		wait = outageFirst << b.passing
	}
	b.passing++
	return wait
}

// refuses answers what to tell instead of sending a request now, nil if it may be sent. A probe that is on its way is
// given as long as patience.
func (b *breaker) refuses(user string, write bool, now time.Time, patience time.Duration) *Open {
	if b.cause == nil || b.writes && !write || b.writes && b.probing == nil && !now.Before(b.until) {
		return nil
	}
	if b.writes {
		b.refused[user] = true
	}
	until := b.until
	if !until.After(now) {
		until = now.Add(patience)
	}
	return &Open{Cause: b.cause, Until: until}
}

// trip opens the breaker, or keeps it open, after a request that began at begun has failed at now. It answers whether
// users find it otherwise than before: open for all requests, or that for another reason.
func (b *breaker) trip(cause *gitlab.Error, writes bool, begun, now, until time.Time) bool {
	switch {
	case b.openForAll() && (writes || begun.Before(b.recheck)):
		return false // a stronger reason holds; or the Secret has changed since the request began
	case writes && b.cause == nil:
		*b = breaker{writes: true, refused: map[string]bool{}}
	case !writes && b.writes:
		*b = breaker{passing: b.passing}
	}
	news := !writes && (b.cause == nil || b.cause.Kind != cause.Kind)
	b.cause, b.failed, b.recheck = cause, now, time.Time{}
	if until.After(b.until) {
		b.until = until
	}
	return news
}

// reconsider takes a changed Secret, or a user's word, as a reason to probe now, but for a rate limit, which is about
// time alone.
func (b *breaker) reconsider(now time.Time) {
	if b.cause == nil || b.cause.Kind == gitlab.KindRateLimited {
		return
	}
	b.recheck = now
	if soon := b.failed.Add(recheckPause); soon.Before(b.until) {
		b.until = soon
	}
}
