// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// Busy is returned instead of waiting long for the limiter: nothing was sent, come back after that time. Callers that
// come at once are given different times, as far apart as the limit asks.
type Busy struct{ After time.Duration }

func (*Busy) Error() string { return "waiting for the request limit" }

const (
	// patience is how long a worker is kept waiting rather than sent away.
	patience = time.Second
	// longestQueue is the most that a caller is put off for those before it.
	longestQueue = 5 * time.Minute
	// longestWindow is the most that a RateLimit-Reset is believed: a clock may be wrong, GitLab's longest period is
	// an hour.
	longestWindow = time.Hour
)

// limiter says when the next request of a connection may go: by the rate that the operator was given, by what GitLab's
// RateLimit headers leave, and by a 429.
type limiter struct {
	bucket *rate.Limiter // nil without a rate

	mu     sync.Mutex
	hold   time.Time // nothing goes before
	reset  time.Time // until then GitLab takes no more than left requests
	left   int
	queued time.Time // when the last caller that was sent away is to come back
}

func newLimiter(qps float64, burst int) *limiter {
	if qps <= 0 {
		return &limiter{}
	}
	return &limiter{bucket: rate.NewLimiter(rate.Limit(qps), max(burst, 1))}
}

// wait returns nil when one request may go now. A wait beyond patience is first put to long, whose error ends it.
func (l *limiter) wait(ctx context.Context, long func(time.Duration) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		d := l.take(time.Now())
		if d <= 0 {
			break
		}
		if d > patience {
			if err := long(d); err != nil {
				return err
			}
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
	if l.bucket == nil {
		return nil
	}
	turn, d := l.reserve(patience)
	if turn == nil {
		if err := long(d); err != nil {
			l.giveBack()
			return err
		}
		turn, d = l.reserve(math.MaxInt64)
	}
	if err := sleep(ctx, d); err != nil {
		turn.Cancel()
		l.giveBack()
		return err
	}
	return nil
}

// reserve takes a turn in the bucket, unless it is more than longest away. It is one step: a reservation that is
// cancelled after others were made gives back less than it took.
func (l *limiter) reserve(longest time.Duration) (*rate.Reservation, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	turn := l.bucket.ReserveN(now, 1)
	d := turn.DelayFrom(now)
	if d > longest {
		turn.CancelAt(now)
		return nil, d
	}
	return turn, d
}

// take counts a request against what GitLab leaves, or answers how long there is nothing left.
func (l *limiter) take(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.hold.Sub(now); d > 0 {
		return d
	}
	d := l.reset.Sub(now)
	if d > 0 && l.left <= 0 {
		return d
	}
	l.left--
	return 0
}

func (l *limiter) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left++
}

// pauseUntil holds every request back, and then begins without knowing what GitLab leaves.
func (l *limiter) pauseUntil(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reset = time.Time{}
	if t.After(l.hold) {
		l.hold = t
	}
}

// observe takes the RateLimit headers of an answer. Requests still on their way have been counted by take, so within a
// window the lower of the two counts holds.
func (l *limiter) observe(r gitlab.RateLimit, now time.Time) {
	d := r.Reset.Sub(now)
	if !r.Known || d <= 0 {
		return
	}
	reset := now.Add(min(d, longestWindow))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reset.After(now) && reset.Sub(l.reset).Abs() < 2*time.Second {
		l.left = min(l.left, r.Remaining)
		return
	}
	l.reset, l.left = reset, r.Remaining
}

// busy sends a caller away that would have to wait for d, to come back after those sent away before it.
func (l *limiter) busy(d time.Duration) error {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bucket == nil {
		return &Busy{After: d + rand.N(min(d/10, 10*time.Second)+1)}
	}
	at := now.Add(d)
	if next := l.queued.Add(time.Duration(float64(time.Second) / float64(l.bucket.Limit()))); next.After(at) {
		at = next
	}
	if at.After(now.Add(max(d, longestQueue))) {
		return &Busy{After: d + rand.N(longestQueue)}
	}
	l.queued = at
	return &Busy{After: at.Sub(now)}
}

// sleep waits for d or the end of ctx, and then answers its error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// jitter is d less up to a tenth, so that connections and managers that started together do not stay in step.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/10+1) }
