// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

func TestUsersWithTheSameCredentialsShareAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newInstance().fleet(t, Options{})
		base := Credentials{URL: "https://gitlab.example.com", Token: gitlab.NewToken("ab"), CA: "c", Version: "1"}
		first, err := f.Use("first", base)
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			change func(c *Credentials)
			shared bool
		}{
			"all the same":            {func(*Credentials) {}, true},
			"another version":         {func(c *Credentials) { c.Version = "2" }, true},
			"another spelling":        {func(c *Credentials) { c.URL = "https://GitLab.example.com:443/" }, true},
			"another URL":             {func(c *Credentials) { c.URL = "https://gitlab.example.com/gitlab" }, false},
			"another token":           {func(c *Credentials) { c.Token = gitlab.NewToken("AB") }, false},
			"another CA":              {func(c *Credentials) { c.CA = "" }, false},
			"the same text otherwise": {func(c *Credentials) { c.Token, c.CA = gitlab.NewToken("a"), "bc" }, false},
		} {
			c := base
			test.change(&c)
			conn, err := f.Use(name, c)
			if err != nil {
				t.Fatal(err)
			}
			if shared := conn.link == first.link; shared != test.shared {
				t.Errorf("%s: shared is %v", name, shared)
			}
		}
		if _, err := f.Use("user", Credentials{URL: "gitlab.example.com"}); err == nil {
			t.Error("a URL without a scheme was taken")
		}
	})
}

func TestConnectionLivesAsLongAsSomebodyUsedItLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		f := g.fleet(t, Options{})
		if f.Last("a") != nil {
			t.Error("a user nobody knows has a connection")
		}
		old := use(t, f, "a")
		use(t, f, "b")
		view(t, old, time.Time{})
		if f.Last("a") != old || use(t, f, "a") != old {
			t.Error("the connection is not the user's last")
		}
		rotated := credentials
		rotated.Token = gitlab.NewToken("two")
		conn, err := f.Use("a", rotated)
		if err != nil {
			t.Fatal(err)
		}
		if f.Last("a") != conn || g.closed != 0 {
			t.Errorf("%d connections closed while all are used", g.closed)
		}
		f.Release("nobody")
		f.Release("b")
		f.Release("b")
		if g.closed != 1 || f.Last("b") != nil {
			t.Errorf("%d connections closed after the old one had no user left", g.closed)
		}
		before := g.count("list")
		time.Sleep(24 * time.Hour)
		if g.count("list") != before {
			t.Error("a closed connection went on asking")
		}
		if _, err := old.View(t.Context(), time.Now()); !errors.Is(err, errClosed) {
			t.Errorf("a closed connection answered %v", err)
		}
		f.Release("a")
		if g.closed != 2 || len(f.links)+len(f.users) != 0 {
			t.Errorf("%d connections closed, %d links and %d users kept", g.closed, len(f.links), len(f.users))
		}
	})
}

func TestStopEndsListsButNotWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.latency = func() time.Duration { return 10 * time.Second }
		f := New(Options{SyncInterval: time.Minute, Timeout: 30 * time.Second})
		f.dial = func(o gitlab.Options) (api, error) { return &session{instance: g, options: o}, nil }
		ctx, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		conn := use(t, f, "user")
		wait.Go(func() {
			if _, err := conn.View(context.Background(), time.Time{}); !errors.Is(err, errClosed) {
				t.Errorf("who waited for a list was told %v", err)
			}
		})
		wait.Go(func() {
			if _, err := conn.Add(ctx, gitlab.Attributes{EnvironmentScope: "*"}, claimed); err != nil {
				t.Errorf("the add ended with %v", err)
			}
		})
		time.Sleep(time.Second)
		stop()
		stopped := time.Now()
		if err := f.Start(ctx); err != nil || time.Since(stopped) > 0 {
			t.Errorf("stopped after %v with %v", time.Since(stopped), err)
		}
		if n := g.underWay("list"); n != 0 {
			t.Errorf("%d lists are left running", n)
		}
		for _, user := range []string{"user", "another"} {
			if _, err := use(t, f, user).View(context.Background(), time.Now()); !errors.Is(err, context.Canceled) {
				t.Errorf("a stopped fleet answered %v", err)
			}
		}
		if f.Last("user") != conn {
			t.Error("a stopped fleet forgot its users")
		}
		wait.Wait()
		if len(g.clusters) != 1 {
			t.Errorf("GitLab has %d clusters", len(g.clusters))
		}
	})
}

func TestAddClaimsLastAndThenIsNotStopped(t *testing.T) {
	wide := gitlab.Attributes{EnvironmentScope: "*"}
	for name, test := range map[string]struct {
		claim   func(cancel func(), g *instance) func(context.Context) error
		options Options
		refuse  error
		want    string // in the error
		claims  int
		adds    int
		took    time.Duration
	}{
		"a claim that fails sends nothing": {
			claim: func(func(), *instance) func(context.Context) error {
				return func(context.Context) error { return errors.New("conflict") }
			}, want: "conflict", claims: 1},
		"a caller that leaves after the claim does not end it": {
			claim: func(cancel func(), _ *instance) func(context.Context) error {
				return func(context.Context) error { cancel(); return nil }
			}, claims: 1, adds: 1, took: 20 * time.Millisecond},
		"the deadline counts from before the claim": {
			claim: func(_ func(), g *instance) func(context.Context) error {
				g.latency = func() time.Duration { return time.Minute }
				return func(context.Context) error { time.Sleep(9 * time.Second); return nil }
			}, options: Options{Timeout: 10 * time.Second}, want: "ended", claims: 1, adds: 1, took: 10 * time.Second},
		"the deadline is 30 seconds at most": {
			claim: func(_ func(), g *instance) func(context.Context) error {
				g.latency = func() time.Duration { return time.Hour }
				return func(ctx context.Context) error { return nil }
			}, options: Options{Timeout: time.Hour}, want: "ended", claims: 1, adds: 1, took: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInstance()
				conn := use(t, g.fleet(t, test.options), "user")
				type key struct{}
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
				defer cancel()
				claims := 0
				claim := test.claim(cancel, g)
				began := time.Now()
				_, err := conn.Add(ctx, wide, func(ctx context.Context) error {
					claims++
					if ctx.Value(key{}) != "kept" {
						t.Error("the values of the context are lost")
					}
					if deadline, ok := ctx.Deadline(); !ok || deadline.Sub(began) > 30*time.Second {
						t.Errorf("the deadline is %v", deadline.Sub(began))
					}
					return claim(ctx)
				})
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("ended with %v", err)
				}
				if claims != test.claims || g.count("add") != test.adds || time.Since(began) != test.took {
					t.Errorf("%d claims, %d adds, in %v", claims, g.count("add"), time.Since(began))
				}
			})
		})
	}
}

func TestWritesDoNotEndWithTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(2)
		conn := use(t, g.fleet(t, Options{}), "user")
		leave := func() context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel) // in the middle of the request
			return ctx
		}
		if _, err := conn.Edit(leave(), 1, gitlab.Attributes{Name: "new"}, nil); err != nil {
			t.Error(err)
		}
		if err := conn.Delete(leave(), 2); err != nil {
			t.Error(err)
		}
		if _, err := conn.Get(leave(), 1); err == nil {
			t.Error("a get went on without its caller")
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		before := g.all()
		_, add := conn.Add(gone, gitlab.Attributes{}, func(context.Context) error { t.Error("claimed"); return nil })
		_, edit := conn.Edit(gone, 1, gitlab.Attributes{}, nil)
		for _, err := range []error{add, edit, conn.Delete(gone, 1)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that had left was told %v", err)
			}
		}
		time.Sleep(time.Second)
		if n := g.all() - before; n != 0 {
			t.Errorf("%d requests for a caller that had left", n)
		}
	})
}

func TestPanicInAClaimLeavesTheConnectionWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.setRefuse(always(failure(gitlab.KindForbidden), "add", "edit"))
		conn := use(t, g.fleet(t, Options{}), "user")
		_, _ = conn.Edit(t.Context(), 1, gitlab.Attributes{}, nil)
		g.setRefuse(always(nil))
		time.Sleep(11 * time.Minute)
		func() {
			defer func() { _ = recover() }()
			_, _ = conn.Add(t.Context(), gitlab.Attributes{}, func(context.Context) error { panic("in the claim") })
		}()
		time.Sleep(time.Second)
		if _, err := conn.Add(t.Context(), gitlab.Attributes{}, claimed); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	})
}

func TestNothingPrintsTheToken(t *testing.T) {
	secret := Credentials{URL: "https://gitlab.example.com", Token: gitlab.NewToken("sentinel-secret")}
	id := identify(secret)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret), fmt.Sprintf("%v %x", id, id)} {
		if strings.Contains(text, "sentinel") || strings.Contains(text, fmt.Sprintf("%x", "sentinel")) {
			t.Error("the token is printed")
		}
	}
	if !reflect.TypeOf(id).Comparable() {
		t.Error("an identity is no key")
	}
}
