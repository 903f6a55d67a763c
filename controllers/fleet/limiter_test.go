// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// insist asks as a work queue does: when it is told that the connection is busy it comes back at the time it was told.
// It answers how often it was sent away.
func insist(t *testing.T, ask func() error) int {
	for times := 0; ; times++ {
		began := time.Now()
		err := ask()
		var busy *Busy
		switch {
		case err == nil:
			return times
		case !errors.As(err, &busy):
			t.Errorf("told %v", err)
			return times
		case busy.After <= patience:
			t.Errorf("told to come back in %v", busy.After)
		case time.Since(began) > 0:
			t.Errorf("sent away after %v of waiting", time.Since(began))
		}
		time.Sleep(busy.After)
	}
}

func TestRateIsKeptAndCallersComeBackSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(1)
		conn := use(t, g.fleet(t, Options{QPS: 10, Burst: 5}), "user")
		began := time.Now()
		var mu sync.Mutex
		var back []time.Duration
		turns := 0
		var wait sync.WaitGroup
		for range 300 {
			wait.Go(func() {
				n := insist(t, func() error {
					err := get(conn)
					var busy *Busy
					if errors.As(err, &busy) && time.Since(began) == 0 {
						mu.Lock()
						back = append(back, busy.After)
						mu.Unlock()
					}
					return err
				})
				mu.Lock()
				turns += n
				mu.Unlock()
			})
		}
		wait.Wait()
		if took := time.Since(began); took < 29*time.Second || took > 33*time.Second {
			t.Errorf("300 requests at 10 per second took %v", took)
		}
		if turns > 310 {
			t.Errorf("callers were sent away %d times", turns)
		}
		times := g.times["get"]
		slices.SortFunc(times, time.Time.Compare)
		for i, at := range times {
			if i >= 15 && at.Sub(times[i-15]) < time.Second-time.Millisecond {
				t.Errorf("16 requests in %v", at.Sub(times[i-15]))
			}
		}
		slices.Sort(back)
		for i, d := range back[1:] {
			if d-back[i] < 99*time.Millisecond {
				t.Errorf("two callers are to come back %v apart", d-back[i])
			}
		}
	})
}

func TestNobodyIsPutOffForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := use(t, newInstance().fleet(t, Options{QPS: 1, Burst: 1}), "user")
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() {
				var busy *Busy
				if err := get(conn); errors.As(err, &busy) && busy.After > longestQueue+2*patience {
					t.Errorf("told to come back in %v", busy.After)
				}
			})
		}
		wait.Wait()
	})
}

func TestCallerThatLeavesTheQueueTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(1)
		conn := use(t, g.fleet(t, Options{QPS: 1, Burst: 1}), "user")
		if err := get(conn); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := conn.Get(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("told %v", err)
		}
		time.Sleep(850 * time.Millisecond)
		began := time.Now()
		if err := get(conn); err != nil || time.Since(began) > 200*time.Millisecond {
			t.Errorf("waited %v for the turn of one who left: %v", time.Since(began), err)
		}
	})
}

func TestPagesOfAListCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(1000)
		g.latency = func() time.Duration { return 0 }
		conn := use(t, g.fleet(t, Options{QPS: 2, Burst: 1}), "user")
		began := time.Now()
		view(t, conn, time.Time{})
		if took := time.Since(began); took != 4500*time.Millisecond {
			t.Errorf("10 pages at 2 per second took %v", took)
		}
	})
}

// With 0.2 pages per second a list of 3 pages takes long, and no worker is held up meanwhile.
func TestViewDoesNotWaitForAListThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(250)
		conn := use(t, g.fleet(t, Options{QPS: 0.2, Burst: 1}), "user")
		began := time.Now()
		for {
			asked := time.Now()
			_, err := conn.View(t.Context(), began)
			if held := time.Since(asked); held > patience+time.Second {
				t.Fatalf("held up for %v", held)
			}
			var busy *Busy
			if err == nil {
				break
			} else if !errors.As(err, &busy) {
				t.Fatal(err)
			}
			time.Sleep(busy.After)
		}
		if n := g.count("list"); n != 3 {
			t.Errorf("%d pages", n)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// GitLab allows 20 requests per minute and says so: nobody ever runs into a 429.
func TestRateLimitHeadersAreObeyed(t *testing.T) {
	for name, test := range map[string]struct {
		workers int
		latency time.Duration
	}{
		"one by one":  {workers: 1, latency: 10 * time.Millisecond},
		"all at once": {workers: 100, latency: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const allowed, window = 20, time.Minute
				g := newInstance()
				g.seed(250)
				g.latency = func() time.Duration { return test.latency }
				start, taken := time.Now(), 0
				end := func() time.Time { return start.Add(time.Since(start).Truncate(window) + window) }
				var current time.Time
				g.refuse = func(string) error {
					if current != end() {
						current, taken = end(), 0
					}
					if taken++; taken > allowed {
						e := failure(gitlab.KindRateLimited)
						e.RetryAfter = time.Until(end())
						t.Error("ran into a 429")
						return e
					}
					return nil
				}
				g.rateLimit = func() gitlab.RateLimit {
					return gitlab.RateLimit{Known: true, Limit: allowed, Remaining: allowed - taken, Reset: current}
				}
				f := g.fleet(t, Options{})
				view(t, use(t, f, "user"), time.Time{})
				var wait sync.WaitGroup
				for i := range test.workers {
					conn := use(t, f, fmt.Sprint(i))
					wait.Go(func() {
						for range 100 / test.workers {
							insist(t, func() error { return get(conn) })
							// The answer of the first request of a window is what tells of it.
							time.Sleep(time.Duration(i) * time.Millisecond)
						}
					})
				}
				wait.Wait()
				if took := time.Since(start); took < 4*window || took > 9*window {
					t.Errorf("100 requests took %v", took)
				}
			})
		})
	}
}

func TestWindowsOfGitLab(t *testing.T) {
	now := time.Unix(1700000000, 0)
	limit := func(remaining int, reset time.Duration) gitlab.RateLimit {
		return gitlab.RateLimit{Known: true, Limit: 100, Remaining: remaining, Reset: now.Add(reset)}
	}
	for name, test := range map[string]struct {
		seen []gitlab.RateLimit
		want time.Duration
	}{
		"nothing known":                      {},
		"absent headers":                     {seen: []gitlab.RateLimit{{Reset: now.Add(time.Minute)}}},
		"something left":                     {seen: []gitlab.RateLimit{limit(2, time.Minute)}},
		"nothing left":                       {seen: []gitlab.RateLimit{limit(0, time.Minute)}, want: time.Minute},
		"nothing left of a past window":      {seen: []gitlab.RateLimit{limit(0, -time.Second)}},
		"a window without end":               {seen: []gitlab.RateLimit{limit(0, 24*time.Hour)}, want: time.Hour},
		"an earlier answer that comes later": {seen: []gitlab.RateLimit{limit(0, time.Minute), limit(5, time.Minute)}, want: time.Minute},
		"a new window":                       {seen: []gitlab.RateLimit{limit(0, time.Minute), limit(5, 2*time.Minute)}},
		"an answer without headers after":    {seen: []gitlab.RateLimit{limit(0, time.Minute), {}}, want: time.Minute},
	} {
		l := newLimiter(0, 0)
		for _, seen := range test.seen {
			l.observe(seen, now)
		}
		if d := l.take(now); max(d, 0) != test.want {
			t.Errorf("%s: held for %v, not %v", name, d, test.want)
		}
		if d := l.take(now.Add(test.want)); d > 0 {
			t.Errorf("%s: held for %v after that", name, d)
		}
	}
}

func TestWhatIsNotSentIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(0.1, 1)
		if err := l.wait(t.Context(), l.busy); err != nil {
			t.Fatal(err)
		}
		l.observe(gitlab.RateLimit{Known: true, Remaining: 1, Reset: time.Now().Add(time.Hour)}, time.Now())
		for range 5 {
			if err := l.wait(t.Context(), l.busy); !errors.As(err, new(*Busy)) {
				t.Fatalf("told %v", err)
			}
		}
		time.Sleep(10 * time.Second)
		if err := l.wait(t.Context(), l.busy); err != nil {
			t.Errorf("the one request that is left was not let through: %v", err)
		}
	})
}

// The time that a 429 names holds, whatever a window was said to last before.
func TestRetryAfterReplacesTheWindow(t *testing.T) {
	now := time.Unix(1700000000, 0)
	l := newLimiter(0, 0)
	l.observe(gitlab.RateLimit{Known: true, Reset: now.Add(time.Hour)}, now)
	l.pauseUntil(now.Add(time.Minute))
	l.pauseUntil(now.Add(time.Second))
	if d := l.take(now); d != time.Minute {
		t.Errorf("held for %v", d)
	}
	if d := l.take(now.Add(time.Minute)); d > 0 {
		t.Errorf("held for %v more", d)
	}
}

func TestHeldCallersComeBackSpread(t *testing.T) {
	l := newLimiter(0, 0)
	different := map[time.Duration]bool{}
	for range 100 {
		var busy *Busy
		if err := l.busy(time.Minute); errors.As(err, &busy) {
			different[busy.After] = true
			if busy.After < time.Minute || busy.After > 67*time.Second {
				t.Errorf("told to come back in %v", busy.After)
			}
		}
	}
	if len(different) < 90 {
		t.Errorf("100 callers come back at %d different times", len(different))
	}
}
