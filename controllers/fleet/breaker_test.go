// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// crowd is many users of one connection.
type crowd struct {
	t     *testing.T
	g     *instance
	f     *Fleet
	told  changes
	conns []*Connection
}

func gather(t *testing.T, g *instance, n int) *crowd {
	c := &crowd{t: t, g: g}
	c.f = g.fleet(t, Options{Changed: c.told.add})
	for i := range n {
		c.conns = append(c.conns, use(t, c.f, fmt.Sprintf("%03d", i)))
	}
	return c
}

// each lets every user do the same and expects all to be told of an open breaker with this kind of cause, 0 for none.
func (c *crowd) each(do func(*Connection) error, want gitlab.Kind) {
	c.t.Helper()
	for _, conn := range c.conns {
		c.one(conn, do, want)
	}
}

func (c *crowd) one(conn *Connection, do func(*Connection) error, want gitlab.Kind) {
	c.t.Helper()
	err := do(conn)
	var open *Open
	var cause *gitlab.Error
	switch {
	case want == 0 && err != nil:
		c.t.Fatalf("user %s was told %v", conn.user, err)
	case want != 0 && (!errors.As(err, &open) || !errors.As(err, &cause) || cause.Kind != want):
		c.t.Fatalf("user %s was told %v, not of an open breaker for %v", conn.user, err, want)
	case want != 0 && !open.Until.After(time.Now()):
		c.t.Fatalf("user %s is to come back at %v", conn.user, open.Until)
	}
}

// expect checks how many requests there were since the last call.
func (c *crowd) expect(n int, when string) {
	c.t.Helper()
	synctest.Wait()
	if have := c.g.all(); have != n {
		c.t.Errorf("%d requests %s, not %d", have, when, n)
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	clear(c.g.requests)
}

// expectTold checks to how many users each call of Changed was since the last time.
func (c *crowd) expectTold(when string, want ...int) {
	c.t.Helper()
	synctest.Wait()
	var have []int
	for _, change := range c.told.take() {
		have = append(have, len(change.Users))
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		c.t.Errorf("users told %s: %v, not %v", when, have, want)
	}
}

func look(conn *Connection) error {
	_, err := conn.View(context.Background(), time.Time{})
	return err
}

func lookAgain(conn *Connection) error {
	_, err := conn.View(context.Background(), time.Now())
	return err
}

func get(conn *Connection) error {
	_, err := conn.Get(context.Background(), 1)
	return err
}

func edit(conn *Connection) error {
	_, err := conn.Edit(context.Background(), 1, gitlab.Attributes{EnvironmentScope: "scope-0"}, nil)
	return err
}

func add(conn *Connection) error {
	_, err := conn.Add(context.Background(), gitlab.Attributes{EnvironmentScope: conn.user}, claimed)
	return err
}

func remove(conn *Connection) error { return conn.Delete(context.Background(), 2) }

var requests = []func(*Connection) error{look, lookAgain, get, edit, add, remove}

func TestRefusedListsCostOneProbePerInterval(t *testing.T) {
	for kind, tries := range map[gitlab.Kind]int{
		gitlab.KindTLS:          1,
		gitlab.KindRedirect:     1,
		gitlab.KindUnauthorized: 1,
		gitlab.KindForbidden:    1,
		gitlab.KindDisabled:     1,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(2)
				g.setRefuse(always(failure(kind), "list"))
				c := gather(t, g, 100)
				c.each(look, kind)
				c.expect(tries, "to find out")
				c.expectTold("at the opening", 100)
				for range 10 {
					for _, do := range requests {
						c.each(do, kind)
					}
					c.expect(0, "while open")
					time.Sleep(10 * time.Minute)
					c.expect(1, "per interval")
				}
				c.expectTold("while open")
				g.setRefuse(always(nil))
				time.Sleep(10 * time.Minute)
				c.expect(1, "to find that it is over")
				c.expectTold("at the closing", 100)
				c.each(look, 0)
				c.expect(0, "when it is over")
			})
		})
	}
}

func TestOutageIsProbedEverMoreSeldom(t *testing.T) {
	for _, kind := range []gitlab.Kind{gitlab.KindUnreachable, gitlab.KindServer, gitlab.KindUnreadable} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(2)
				g.setRefuse(always(failure(kind), "list"))
				c := gather(t, g, 100)
				c.each(look, kind)
				c.expect(2, "to find out")
				c.expectTold("at the opening", 100)
				for wait := 5 * time.Second; wait <= 10*time.Minute; wait *= 2 {
					c.each(add, kind)
					c.expect(0, "while open")
					time.Sleep(min(wait, 5*time.Minute) + 100*time.Millisecond) // a list takes a moment
					c.expect(1, "after "+wait.String())
				}
				c.expectTold("while open")
				g.setRefuse(always(nil))
				time.Sleep(5 * time.Minute)
				c.expectTold("at the closing", 100)
				g.setRefuse(always(failure(kind), "list"))
				if open := (*Open)(nil); !errors.As(lookAgain(c.conns[0]), &open) || open.Cause.Kind != kind {
					t.Error("the next outage was not noticed")
				}
				c.expectTold("of the next outage", 100)
				g.setRefuse(always(nil))
				time.Sleep(6 * time.Second)
				c.expectTold("of its early end", 100)
			})
		})
	}
}

func TestHiccupOfAListIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		c := gather(t, g, 10)
		failed := false
		g.setRefuse(func(endpoint string) error {
			if !failed {
				failed = true
				return failure(gitlab.KindServer)
			}
			return nil
		})
		c.each(look, 0)
		c.expect(2, "with one hiccup")
		c.expectTold("of a hiccup")
		if gap := g.times["list"][1].Sub(g.times["list"][0]); gap < 500*time.Millisecond || gap > 1100*time.Millisecond {
			t.Errorf("the second try came after %v", gap)
		}
	})
}

func TestOtherCauseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindServer), "list"))
		c := gather(t, g, 10)
		c.each(look, gitlab.KindServer)
		c.expectTold("at the opening", 10)
		g.setRefuse(always(failure(gitlab.KindDisabled), "list"))
		time.Sleep(11 * time.Minute)
		c.each(look, gitlab.KindDisabled)
		c.expectTold("of the other cause", 10)
	})
}

func TestRefusedRequestsOpenTheBreaker(t *testing.T) {
	for name, test := range map[string]struct {
		kind     gitlab.Kind
		endpoint string
		do       func(*Connection) error
	}{
		"an unauthorized get":  {gitlab.KindUnauthorized, "get", get},
		"an unauthorized edit": {gitlab.KindUnauthorized, "edit", edit},
		"a forbidden get":      {gitlab.KindForbidden, "get", get},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(1)
				c := gather(t, g, 50)
				c.each(look, 0)
				c.expect(1, "at first")
				g.setRefuse(always(failure(test.kind), test.endpoint, "list"))
				if err := test.do(c.conns[0]); err == nil || errors.As(err, new(*Open)) {
					t.Fatalf("the refused user was told %v", err)
				}
				for _, do := range requests {
					c.each(do, test.kind)
				}
				c.expect(1, "to find out")
				c.expectTold("at the opening", 50)
				time.Sleep(time.Hour)
				c.expect(6, "in six intervals")
				g.setRefuse(always(nil))
				time.Sleep(10 * time.Minute)
				c.expectTold("at the closing", 50)
				c.each(look, 0)
			})
		})
	}
}

func TestRateLimitHoldsTheWholeConnectionForItsTime(t *testing.T) {
	for endpoint, do := range map[string]func(*Connection) error{"list": lookAgain, "get": get, "add": add, "delete": remove} {
		t.Run(endpoint, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(2)
				c := gather(t, g, 50)
				c.each(look, 0)
				c.expect(1, "at first")
				g.setRefuse(always(failure(gitlab.KindRateLimited), "list", "get", "add", "edit", "delete"))
				_ = do(c.conns[0])
				limited := time.Now()
				c.expect(1, "to find out")
				c.expectTold("at the opening", 50)
				g.setRefuse(always(nil))
				for time.Since(limited) < 41*time.Second {
					for _, do := range requests {
						c.each(do, gitlab.KindRateLimited)
					}
					changed := credentials
					changed.Version = fmt.Sprint(time.Now())
					if _, err := c.f.Use("000", changed); err != nil { // no reason to ask earlier
						t.Fatal(err)
					}
					time.Sleep(5 * time.Second)
				}
				time.Sleep(2 * time.Second)
				c.expect(1, "when the time is over")
				c.expectTold("at the closing", 50)
				c.each(get, 0)
			})
		})
	}
}

// The answer of a list that was sent before the 429 does not end the time that GitLab asked for.
func TestRunningListDoesNotEndARateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(3)
		g.perPage = 1
		g.latency = func() time.Duration { return 4 * time.Second }
		c := gather(t, g, 2)
		go func() { _ = look(c.conns[0]) }()
		time.Sleep(time.Second)
		g.setRefuse(always(failure(gitlab.KindRateLimited), "get"))
		_ = get(c.conns[1])
		c.one(c.conns[0], look, gitlab.KindRateLimited)
		time.Sleep(40 * time.Second)
		if n := g.count("list"); n != 2 {
			t.Errorf("%d pages were asked for by then", n)
		}
		time.Sleep(10 * time.Second)
		c.each(look, 0)
		if n := g.count("list"); n != 3 {
			t.Errorf("%d pages were asked for in the end", n)
		}
	})
}

// The breaker opens while another request of the connection is on its way.
func TestOverlapWithTheRequestThatOpensTheBreaker(t *testing.T) {
	for name, test := range map[string]struct {
		slow, quick             func(*Connection) error
		slowAnswer, quickAnswer error
		endpoints               [2]string
		want                    gitlab.Kind
	}{
		"a list that succeeds is no proof": {slow: look, quick: get, endpoints: [2]string{"list", "get"},
			quickAnswer: failure(gitlab.KindUnauthorized), want: gitlab.KindUnauthorized},
		"a list that succeeds does not end a rate limit": {slow: look, quick: get, endpoints: [2]string{"list", "get"},
			quickAnswer: failure(gitlab.KindRateLimited), want: gitlab.KindRateLimited},
		"a write that is refused is the lesser reason": {slow: edit, quick: look, endpoints: [2]string{"edit", "list"},
			slowAnswer: failure(gitlab.KindForbidden), quickAnswer: failure(gitlab.KindDisabled), want: gitlab.KindDisabled},
		"a list that fails is not tried again": {slow: look, quick: get, endpoints: [2]string{"list", "get"},
			slowAnswer: failure(gitlab.KindServer), quickAnswer: failure(gitlab.KindUnauthorized), want: gitlab.KindUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(1)
				c := gather(t, g, 3)
				g.setRefuse(func(endpoint string) error {
					switch endpoint {
					case test.endpoints[0]:
						return test.slowAnswer
					case test.endpoints[1]:
						return test.quickAnswer
					}
					return nil
				})
				g.latency = func() time.Duration { return 2 * time.Second }
				go func() { _ = test.slow(c.conns[0]) }()
				synctest.Wait()
				if test.slowAnswer == nil || test.endpoints[0] == "edit" {
					g.commit(func() { g.latency = func() time.Duration { return time.Second } })
				} else {
					time.Sleep(100 * time.Millisecond) // its answer comes in the pause before the second try
				}
				_ = test.quick(c.conns[1])
				time.Sleep(10 * time.Second)
				c.each(get, test.want)
				c.each(look, test.want)
				if n := g.all(); n != 2 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

func TestConnectionsFailOnTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindUnauthorized), "list"))
		c := gather(t, g, 2)
		c.each(look, gitlab.KindUnauthorized)
		g.setRefuse(always(nil))
		other := credentials
		other.Token = gitlab.NewToken("two")
		conn, err := c.f.Use("000", other)
		if err != nil {
			t.Fatal(err)
		}
		c.one(conn, look, 0)
		c.one(c.conns[1], look, gitlab.KindUnauthorized)
	})
}

func TestChangedSecretAsksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindForbidden), "list"))
		c := gather(t, g, 100)
		change := func(version string) {
			changed := credentials
			changed.Version = version
			for _, conn := range c.conns {
				if have, err := c.f.Use(conn.user, changed); err != nil || have != conn {
					t.Fatal(have, err)
				}
			}
		}
		c.each(look, gitlab.KindForbidden)
		c.expect(1, "to find out")
		c.expectTold("at the opening", 100)
		time.Sleep(time.Minute)

		change("2")
		c.each(look, gitlab.KindForbidden)
		c.expect(1, "for a Secret that many share, changed to no avail")
		c.expectTold("of a change to no avail")
		change("2")
		c.each(look, gitlab.KindForbidden)
		c.expect(0, "for a version that was seen")
		time.Sleep(time.Minute)

		g.setRefuse(always(nil))
		change("3")
		c.each(look, 0)
		c.expect(1, "for a Secret that was changed")
		c.expectTold("at the closing", 100)
	})
}

func TestChangedSecretLetsAWriteTryAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(2)
		c := gather(t, g, 3)
		g.setRefuse(always(failure(gitlab.KindForbidden), "edit"))
		_ = edit(c.conns[0])
		time.Sleep(time.Minute)
		c.each(edit, gitlab.KindForbidden)
		changed := credentials
		changed.Version = "2"
		if _, err := c.f.Use("000", changed); err != nil {
			t.Fatal(err)
		}
		c.expectTold("that one may try", 3)
		g.setRefuse(always(nil))
		c.each(edit, 0)
	})
}

func TestReconsideredBreakerAsksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindForbidden), "list"))
		c := gather(t, g, 100)
		c.each(look, gitlab.KindForbidden)
		c.expect(1, "to find out")
		c.expectTold("at the opening", 100)
		time.Sleep(time.Minute)

		c.conns[0].Reconsider()
		c.each(look, gitlab.KindForbidden)
		c.expect(1, "to no avail")
		c.expectTold("of an attempt to no avail")
		time.Sleep(time.Minute)

		g.setRefuse(always(nil))
		for _, conn := range c.conns {
			conn.Reconsider()
		}
		c.each(look, 0)
		c.expect(1, "once the cause is mended")
		c.expectTold("at the closing", 100)
		c.conns[0].Reconsider()
		c.each(look, 0)
		c.expect(0, "while nothing is refused")
	})
}

func TestManySecretsThatChangeShareProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindForbidden), "list"))
		c := gather(t, g, 0)
		arrive := func(round int) {
			for i := range 1000 {
				own := credentials
				own.Version = fmt.Sprint(round, i)
				conn, err := c.f.Use(fmt.Sprint(i), own)
				if err != nil {
					t.Fatal(err)
				}
				if i%100 == 0 {
					c.one(conn, look, gitlab.KindForbidden)
				}
			}
		}
		arrive(1)
		c.expect(1, "for objects that arrive one by one, each with Secrets of its own")
		time.Sleep(time.Minute)
		began := time.Now()
		arrive(2)
		if n := g.count("list"); n > 1+int(time.Since(began)/recheckPause) {
			t.Errorf("%d probes in %v", n, time.Since(began))
		}
		l := c.f.Last("0").link
		if len(l.versions) != 1000 || len(l.users) != 1000 {
			t.Errorf("%d versions are kept for %d users", len(l.versions), len(l.users))
		}
		for i := range 999 {
			c.f.Release(fmt.Sprint(i))
		}
		if len(l.versions) != 1 || len(l.users) != 1 {
			t.Errorf("%d versions are kept for %d users", len(l.versions), len(l.users))
		}
	})
}

func TestUserWithAnotherTokenAsksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindUnauthorized), "list"))
		c := gather(t, g, 2)
		c.each(look, gitlab.KindUnauthorized)
		other := credentials
		other.Token = gitlab.NewToken("two")
		if _, err := c.f.Use("000", other); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		g.setRefuse(always(nil))
		back := credentials
		back.Version = "3"
		conn, err := c.f.Use("000", back)
		if err != nil {
			t.Fatal(err)
		}
		c.one(conn, look, 0)
		c.one(c.conns[1], look, 0)
	})
}

// A Secret changes while a probe is on its way that began before.
func TestSecretChangedDuringAProbeIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindUnauthorized), "list"))
		c := gather(t, g, 1)
		c.each(look, gitlab.KindUnauthorized)
		g.commit(func() { g.latency = func() time.Duration { return 30 * time.Second } })
		for g.count("list") == 1 {
			time.Sleep(time.Second)
		}
		time.AfterFunc(20*time.Second, func() { g.setRefuse(always(nil)) })
		changed := credentials
		changed.Version = "2"
		if _, err := c.f.Use("000", changed); err != nil {
			t.Fatal(err)
		}
		c.each(look, 0)
	})
}

func TestRefusedWritesAreTriedOneByOne(t *testing.T) {
	maintenance := failure(gitlab.KindServer)
	maintenance.Status, maintenance.Maintenance = 503, true
	for name, refused := range map[string]*gitlab.Error{"read-only": failure(gitlab.KindForbidden), "maintenance": maintenance} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(100)
				c := gather(t, g, 100)
				first, idle := c.conns[0], c.conns[60:]
				c.conns = c.conns[1:60]
				c.one(idle[0], look, 0)
				g.setRefuse(always(refused, "add", "edit", "delete"))
				c.expect(1, "at first")
				if err := edit(first); !errors.Is(err, refused) || errors.As(err, new(*Open)) {
					t.Fatalf("the first write was told %v", err)
				}
				c.each(edit, refused.Kind)
				c.expect(1, "to find out")
				c.each(get, 0)
				c.each(look, 0)
				c.expect(59, "to read")
				c.expectTold("at the opening")
				for range 5 {
					time.Sleep(10 * time.Minute)
					c.expectTold("that one may try", 60)
					c.expect(1, "per interval: the list")
					if err := add(first); !errors.Is(err, refused) || errors.As(err, new(*Open)) {
						t.Fatalf("the probe was told %v", err)
					}
					c.each(add, refused.Kind)
					c.expect(1, "per interval: the write")
				}
				g.setRefuse(always(nil))
				c.f.Release(c.conns[50].user)
				time.Sleep(10 * time.Minute)
				c.expectTold("that one may try, but for the one that left", 59)
				g.latency = func() time.Duration { return time.Second }
				done := make(chan error)
				go func() { done <- edit(c.conns[7]) }()
				synctest.Wait()
				c.one(c.conns[8], edit, refused.Kind) // one probe is enough
				c.expectTold("while the probe is on its way")
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				c.expectTold("at the closing", 1)
				c.each(edit, 0)
			})
		})
	}
}

func TestWhatAWritesOutcomeProves(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		opens  bool // a closed breaker, for writes
		heals  bool // one that is open for writes
		lists  bool // has a list confirm it
	}{
		"success":       {answer: nil, heals: true},
		"invalid":       {answer: refusal(gitlab.KindInvalid, 400), heals: true},
		"not found":     {answer: refusal(gitlab.KindNotFound, 404), heals: true},
		"never sent":    {answer: &gitlab.Error{Kind: gitlab.KindInvalid, Message: "no token"}},
		"timeout":       {answer: &gitlab.Error{Kind: gitlab.KindUnreachable, Sent: true}},
		"refused":       {answer: &gitlab.Error{Kind: gitlab.KindUnreachable}, lists: true},
		"left":          {answer: &gitlab.Error{Kind: gitlab.KindUnreachable, Err: context.Canceled}},
		"TLS":           {answer: &gitlab.Error{Kind: gitlab.KindTLS}, lists: true},
		"redirect":      {answer: failure(gitlab.KindRedirect), lists: true},
		"server error":  {answer: failure(gitlab.KindServer)},
		"unreadable":    {answer: failure(gitlab.KindUnreadable)},
		"something new": {answer: errors.New("new")},
		"forbidden":     {answer: failure(gitlab.KindForbidden), opens: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				g.seed(2)
				c := gather(t, g, 2)
				c.each(look, 0)
				g.setRefuse(always(test.answer, "edit"))
				if err := edit(c.conns[0]); !errors.Is(err, test.answer) {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if listed := g.count("list") > 1; listed != test.lists {
					t.Errorf("a list was sent: %v", listed)
				}
				want := gitlab.Kind(0)
				if test.opens {
					want = gitlab.KindForbidden
				}
				c.one(c.conns[1], add, want)

				g.setRefuse(always(failure(gitlab.KindForbidden), "edit"))
				_ = edit(c.conns[1])
				time.Sleep(11 * time.Minute)
				g.setRefuse(always(test.answer, "edit"))
				if err := edit(c.conns[0]); !errors.Is(err, test.answer) {
					t.Fatal(err)
				}
				want = gitlab.KindForbidden
				if test.heals {
					want = 0
				}
				c.one(c.conns[0], add, want)
				time.Sleep(time.Minute)
				c.one(c.conns[1], remove, want)
			})
		})
	}
}

func TestClaimThatFailsLeavesTheProbeToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(1)
		c := gather(t, g, 2)
		g.setRefuse(always(failure(gitlab.KindForbidden), "add"))
		_ = add(c.conns[0])
		g.setRefuse(always(nil))
		c.each(add, gitlab.KindForbidden)
		time.Sleep(10 * time.Minute)
		c.expectTold("that one may try", 2)
		conflict := errors.New("conflict")
		if _, err := c.conns[0].Add(t.Context(), gitlab.Attributes{}, func(context.Context) error { return conflict }); err != conflict {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.expectTold("that one may still try", 1)
		c.each(add, 0)
	})
}

func TestListThatFailsOutweighsRefusedWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(1)
		c := gather(t, g, 10)
		c.each(look, 0)
		g.setRefuse(always(failure(gitlab.KindForbidden), "edit", "list"))
		_ = edit(c.conns[0])
		c.each(look, 0)
		c.each(lookAgain, gitlab.KindForbidden)
		c.expectTold("at the opening for all", 10)
		g.setRefuse(always(failure(gitlab.KindForbidden), "edit"))
		time.Sleep(10 * time.Minute)
		c.expectTold("at the closing", 10)
		c.each(get, 0)
	})
}
