// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// These tests use the real client, and GitLab's own ways of refusing and limiting requests.

type setup struct {
	*simulator.Simulator
	t      *testing.T
	server *simulator.Server
	fleet  *fleet.Fleet
	told   chan fleet.Change

	mu    sync.Mutex
	lines []string
}

func (s *setup) log(prefix, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, prefix+line)
}

func start(t *testing.T, clusters int, o simulator.Options, f fleet.Options) *setup {
	t.Helper()
	t.Parallel()
	o.Token = "admin-token"
	s := &setup{Simulator: simulator.New(o), t: t, told: make(chan fleet.Change, 1000)}
	for i := range clusters {
		s.Seed(simulator.NewCluster("seeded", fmt.Sprint("seeded/", i)))
	}
	var err error
	if s.server, err = simulator.NewServer(s.Simulator, simulator.ServerOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.server.Close)
	if f.SyncInterval == 0 {
		f.SyncInterval = time.Hour
	}
	f.Timeout, f.Log = 10*time.Second, funcr.New(s.log, funcr.Options{Verbosity: 10})
	f.Changed = func(c fleet.Change) { s.told <- c }
	s.fleet = fleet.New(f)
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = s.fleet.Start(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-stopped
	})
	return s
}

func (s *setup) use(user string) *fleet.Connection {
	s.t.Helper()
	conn, err := s.fleet.Use(user, fleet.Credentials{URL: s.server.URL, Token: gitlab.NewToken("admin-token"), Version: "1"})
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// waitTold waits for news of this kind.
func (s *setup) waitTold(what string, match func(fleet.Change) bool) fleet.Change {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case c := <-s.told:
			if match(c) {
				return c
			}
		case <-late:
			s.t.Fatalf("nobody was told %s", what)
		}
	}
}

func forUsers(users ...string) func(fleet.Change) bool {
	return func(c fleet.Change) bool { return slices.Equal(c.Users, users) }
}

func (s *setup) statuses(status int) int {
	n := 0
	for _, e := range s.Journal() {
		if e.Status == status {
			n++
		}
	}
	return n
}

func kindOfOpen(err error) gitlab.Kind {
	var open *fleet.Open
	if !errors.As(err, &open) {
		return 0
	}
	return open.Cause.Kind
}

func rename(conn *fleet.Connection, id int64) error {
	want := gitlab.Attributes{Name: "renamed", NamespacePerEnvironment: true}
	_, err := conn.Edit(context.Background(), id, want, []gitlab.Field{gitlab.FieldName})
	return err
}

func TestMirrorsTheSimulator(t *testing.T) {
	s := start(t, 250, simulator.Options{}, fleet.Options{})
	conn := s.use("user")
	v, err := conn.View(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Count(http.MethodGet, ""); n != 3 {
		t.Errorf("%d requests for 250 clusters", n)
	}
	for _, have := range s.Clusters() {
		c, known := v.Cluster(have.ID)
		if !known || len(v.Holders(c.EnvironmentScope)) != 1 || v.HighestID() < c.ID {
			t.Fatalf("cluster %d is not, or not wholly, in the mirror", have.ID)
		}
	}
	if err := s.EditOutOfBand(7, func(c *simulator.Cluster) { c.Name = "by hand" }); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteOutOfBand(8); err != nil {
		t.Fatal(err)
	}
	if err := rename(conn, 9); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.View(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	told := s.waitTold("of the changes", func(fleet.Change) bool { return true })
	if !slices.Equal(told.IDs, []int64{7, 8}) || !slices.Equal(told.Scopes, []string{"seeded/6", "seeded/7"}) {
		t.Errorf("told of %+v", told)
	}
	if c, _ := v.Cluster(9); c.Name != "renamed" {
		t.Errorf("our own edit shows as %q", c.Name)
	}
}

// A list of 7 pages where GitLab allows 3 requests per window, says so, and is never asked for more.
func TestListSpansTheWindowsOfARateLimit(t *testing.T) {
	limit := simulator.RateLimit{Requests: 3, Period: 2 * time.Second, Headers: true}
	s := start(t, 650, simulator.Options{RateLimit: limit}, fleet.Options{})
	conn := s.use("user")
	v, err := conn.View(t.Context(), time.Time{})
	for errors.As(err, new(*fleet.Busy)) {
		var busy *fleet.Busy
		_ = errors.As(err, &busy)
		time.Sleep(busy.After)
		v, err = conn.View(t.Context(), time.Time{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if v.HighestID() != 650 {
		t.Errorf("the highest id is %d", v.HighestID())
	}
	if all, refused := s.Count(http.MethodGet, ""), s.statuses(http.StatusTooManyRequests); all != 7 || refused != 0 {
		t.Errorf("%d requests, %d of them refused", all, refused)
	}
}

// The same without headers: each 429 names a time, and nothing is sent before.
func TestRetryAfterIsKept(t *testing.T) {
	limit := simulator.RateLimit{Requests: 2, Period: 2 * time.Second}
	s := start(t, 1, simulator.Options{RateLimit: limit}, fleet.Options{})
	conn := s.use("user")
	if _, err := conn.View(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 4 {
		if _, err = conn.Get(t.Context(), 1); err != nil {
			break
		}
	}
	var limited *gitlab.Error
	if !errors.As(err, &limited) || limited.Kind != gitlab.KindRateLimited {
		t.Fatalf("the limit was not met: %v", err)
	}
	if _, err := conn.Get(t.Context(), 1); kindOfOpen(err) != gitlab.KindRateLimited {
		t.Errorf("told %v", err)
	}
	opened := s.waitTold("that the breaker opened", forUsers("user"))
	closed := s.waitTold("that it closed", forUsers("user"))
	if opened.URL != s.server.URL || closed.URL != s.server.URL {
		t.Errorf("told of %q and %q", opened.URL, closed.URL)
	}
	if _, err := conn.View(t.Context(), time.Time{}); err != nil {
		t.Error(err)
	}
	if n := s.statuses(http.StatusTooManyRequests); n != 1 {
		t.Errorf("%d requests were refused", n)
	}
}

func TestFeatureFlagOffAndOn(t *testing.T) {
	s := start(t, 1, simulator.Options{FeatureDisabled: true}, fleet.Options{SyncInterval: time.Second})
	one, two := s.use("one"), s.use("two")
	for _, conn := range []*fleet.Connection{one, two} {
		if _, err := conn.View(t.Context(), time.Time{}); kindOfOpen(err) != gitlab.KindDisabled {
			t.Errorf("told %v", err)
		}
	}
	s.waitTold("that the breaker opened", forUsers("one", "two"))
	s.SetFeature(true)
	s.waitTold("that it closed", forUsers("one", "two"))
	if _, err := two.View(t.Context(), time.Time{}); err != nil {
		t.Error(err)
	}
}

func TestWritesRefusedAndAllowed(t *testing.T) {
	for name, set := range map[string]func(*simulator.Simulator, bool){
		"read-only":   (*simulator.Simulator).SetReadOnly,
		"maintenance": (*simulator.Simulator).SetMaintenance,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, 2, simulator.Options{}, fleet.Options{SyncInterval: time.Second})
			one, two := s.use("one"), s.use("two")
			set(s.Simulator, true)
			if err := rename(one, 1); err == nil || kindOfOpen(err) != 0 {
				t.Fatalf("the first write was told %v", err)
			}
			if err := rename(two, 2); kindOfOpen(err) == 0 {
				t.Fatalf("the second write was told %v", err)
			}
			if _, err := two.View(t.Context(), time.Now()); err != nil {
				t.Fatalf("GitLab cannot be read: %v", err)
			}
			s.waitTold("that one may try", forUsers("one", "two"))
			if n := len(s.Writes()); n != 1 {
				t.Errorf("%d writes were sent", n)
			}
			set(s.Simulator, false)
			for _, conn := range []*fleet.Connection{one, two} {
				if err := rename(conn, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A write whose kept connection breaks off may have other reasons. One that finds nobody listening has a list confirm it,
// and then the others do not try.
func TestGitLabThatIsDownIsFoundByTheFirstWrite(t *testing.T) {
	s := start(t, 2, simulator.Options{}, fleet.Options{})
	one, two := s.use("one"), s.use("two")
	if _, err := one.View(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.server.Close()
	for range 2 {
		if err := rename(one, 1); err == nil || kindOfOpen(err) != 0 {
			t.Fatalf("the first writes were told %v", err)
		}
	}
	s.waitTold("that the breaker opened", forUsers("one", "two"))
	if err := rename(two, 2); kindOfOpen(err) != gitlab.KindUnreachable {
		t.Errorf("told %v", err)
	}
}

func TestLogWarnsOfPlainHTTPOnceAndHoldsNoSecret(t *testing.T) {
	s := start(t, 1, simulator.Options{}, fleet.Options{SyncInterval: time.Second})
	conn := s.use("one")
	s.use("two")
	want := gitlab.Attributes{Name: "n", EnvironmentScope: "*", APIURL: "https://k8s.example.com", Token: gitlab.NewToken("cluster-token"), CACert: "cluster-ca"}
	_, refused := conn.Add(t.Context(), want, func(context.Context) error { return nil })
	_, unauthorized := s.fleet.Use("three", fleet.Credentials{URL: s.server.URL, Token: gitlab.NewToken("wrong-token")})
	_, closed := s.fleet.Last("three").View(t.Context(), time.Time{})
	if refused == nil || unauthorized != nil || kindOfOpen(closed) != gitlab.KindUnauthorized {
		t.Fatal(refused, unauthorized, closed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	warnings := 0
	for _, line := range s.lines {
		if strings.Contains(line, "plain http") {
			warnings++
		}
		for _, secret := range []string{"admin-token", "wrong-token", "cluster-token", "cluster-ca"} {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is in the log: %s", strings.ReplaceAll(line, secret, "…"))
			}
		}
	}
	if warnings != 2 || len(s.lines) < 5 {
		t.Errorf("%d warnings for two connections in %d lines", warnings, len(s.lines))
	}
}
