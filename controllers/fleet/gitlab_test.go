// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// instance is a GitLab in memory, reached without a network, so that tests run in fake time. Each commit of a cluster
// raises its ManagementProjectID by one, which tells how new a state is.
type instance struct {
	mu       sync.Mutex
	clusters map[int64]gitlab.Cluster
	lastID   int64
	perPage  int
	// latency is that of a request; half of it passes before GitLab looks at the request.
	latency func() time.Duration
	// refuse answers instead of GitLab; the request has no effect.
	refuse func(endpoint string) error
	// lose answers instead of GitLab after the request had its effect.
	lose func(endpoint string) error
	// rateLimit is what the answer's headers say.
	rateLimit func() gitlab.RateLimit

	requests map[string]int
	times    map[string][]time.Time
	running  map[string]int
	most     map[string]int // at the same time
	closed   int
}

func newInstance() *instance {
	return &instance{
		clusters:  map[int64]gitlab.Cluster{},
		perPage:   100,
		latency:   func() time.Duration { return 20 * time.Millisecond },
		refuse:    func(string) error { return nil },
		lose:      func(string) error { return nil },
		rateLimit: func() gitlab.RateLimit { return gitlab.RateLimit{} },
		requests:  map[string]int{},
		times:     map[string][]time.Time{},
		running:   map[string]int{},
		most:      map[string]int{},
	}
}

// fleet makes a fleet of connections to this instance, which stops with the test.
func (g *instance) fleet(t *testing.T, o Options) *Fleet {
	t.Helper()
	if o.SyncInterval == 0 {
		o.SyncInterval = 10 * time.Minute
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	o.Log = logr.Discard()
	f := New(o)
	f.dial = func(o gitlab.Options) (api, error) { return &session{instance: g, options: o}, nil }
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = f.Start(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-stopped
	})
	return f
}

// count is how many requests to these endpoints there were, pages of lists counted one by one.
func (g *instance) count(endpoints ...string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, e := range endpoints {
		n += g.requests[e]
	}
	return n
}

func (g *instance) all() int { return g.count("list", "get", "add", "edit", "delete") }

// underWay is how many requests to this endpoint have not ended.
func (g *instance) underWay(endpoint string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running[endpoint]
}

func (g *instance) setRefuse(refuse func(endpoint string) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = refuse
}

// commit changes the clusters as somebody else would.
func (g *instance) commit(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// put stores a new state of the cluster; the caller holds the lock.
func (g *instance) put(c gitlab.Cluster) gitlab.Cluster {
	if c.ID == 0 {
		g.lastID++
		c.ID = g.lastID
	}
	c.ManagementProjectID = g.clusters[c.ID].ManagementProjectID + 1
	c.ProviderType, c.CreatedAt = "user", "2024-01-01T00:00:00.000Z"
	g.clusters[c.ID] = c
	return c
}

// seed has the instance hold n clusters.
func (g *instance) seed(n int) {
	g.commit(func() {
		for i := range n {
			g.put(gitlab.Cluster{EnvironmentScope: fmt.Sprint("scope-", i)})
		}
	})
}

// session is what a connection holds of the instance.
type session struct {
	*instance
	options gitlab.Options
}

func (s *session) do(ctx context.Context, endpoint string, effect func() error) error {
	s.mu.Lock()
	s.requests[endpoint]++
	s.times[endpoint] = append(s.times[endpoint], time.Now())
	s.running[endpoint]++
	s.most[endpoint] = max(s.most[endpoint], s.running[endpoint])
	latency := s.latency()
	s.mu.Unlock()

	err := s.travel(ctx, latency/2, false)
	sent := time.Now()
	if err == nil {
		s.mu.Lock()
		if err = s.refuse(endpoint); err == nil {
			if err = effect(); err == nil {
				err = s.lose(endpoint)
			}
		}
		s.mu.Unlock()
		if lost := s.travel(ctx, latency/2, true); lost != nil {
			err = lost
		}
	}
	s.mu.Lock()
	s.running[endpoint]--
	limit := s.rateLimit()
	s.mu.Unlock()
	s.options.Observe(gitlab.Exchange{Endpoint: endpoint, RateLimit: limit, Duration: time.Since(sent), Err: err})
	return err
}

func (s *session) travel(ctx context.Context, d time.Duration, sent bool) error {
	if ctx.Err() != nil || sleep(ctx, d) != nil {
		return &gitlab.Error{Kind: gitlab.KindUnreachable, Message: "ended", Sent: sent, Err: ctx.Err()}
	}
	return nil
}

func (s *session) List(ctx context.Context) ([]gitlab.Cluster, error) {
	var rows []gitlab.Cluster
	seen := map[int64]bool{}
	for page := 0; ; page++ {
		if page > 0 {
			if err := s.options.BeforePage(ctx); err != nil {
				return nil, err
			}
		}
		last := false
		err := s.do(ctx, "list", func() error {
			ids := slices.Sorted(maps.Keys(s.clusters))
			from, to := min(page*s.perPage, len(ids)), min((page+1)*s.perPage, len(ids))
			for _, id := range ids[from:to] {
				if !seen[id] {
					seen[id] = true
					rows = append(rows, s.clusters[id])
				}
			}
			last = to == len(ids)
			return nil
		})
		if err != nil || last {
			return rows, err
		}
	}
}

func (s *session) Get(ctx context.Context, id int64) (have gitlab.Cluster, err error) {
	err = s.do(ctx, "get", func() error {
		var found bool
		if have, found = s.clusters[id]; !found {
			return refusal(gitlab.KindNotFound, 404)
		}
		return nil
	})
	return have, err
}

func (s *session) Add(ctx context.Context, want gitlab.Attributes) (have gitlab.Cluster, err error) {
	err = s.do(ctx, "add", func() error {
		for _, c := range s.clusters {
			if c.EnvironmentScope == want.EnvironmentScope {
				return refusal(gitlab.KindInvalid, 400)
			}
		}
		have = s.put(gitlab.Cluster{EnvironmentScope: want.EnvironmentScope, Name: want.Name})
		return nil
	})
	return have, err
}

func (s *session) Edit(ctx context.Context, id int64, want gitlab.Attributes, _ []gitlab.Field) (have gitlab.Cluster, err error) {
	err = s.do(ctx, "edit", func() error {
		have = s.clusters[id]
		if have.ID == 0 {
			return refusal(gitlab.KindNotFound, 404)
		}
		have.Name, have.EnvironmentScope = want.Name, want.EnvironmentScope
		have = s.put(have)
		return nil
	})
	return have, err
}

func (s *session) Delete(ctx context.Context, id int64) error {
	return s.do(ctx, "delete", func() error {
		if _, found := s.clusters[id]; !found {
			return refusal(gitlab.KindNotFound, 404)
		}
		delete(s.clusters, id)
		return nil
	})
}

func (s *session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
}

func refusal(kind gitlab.Kind, status int) *gitlab.Error {
	return &gitlab.Error{Kind: kind, Status: status, Message: kind.String(), Sent: true}
}

// failure is what GitLab answers to the list, or nobody.
func failure(kind gitlab.Kind) *gitlab.Error {
	status := map[gitlab.Kind]int{gitlab.KindRedirect: 302, gitlab.KindRateLimited: 429, gitlab.KindUnauthorized: 401,
		gitlab.KindForbidden: 403, gitlab.KindDisabled: 404, gitlab.KindServer: 502, gitlab.KindUnreadable: 200}[kind]
	e := refusal(kind, status)
	e.Sent = status != 0
	if kind == gitlab.KindRateLimited {
		e.RetryAfter = 42 * time.Second
	}
	return e
}

// always answers every request to these endpoints with this error.
func always(err error, endpoints ...string) func(string) error {
	return func(endpoint string) error {
		if slices.Contains(endpoints, endpoint) {
			return err
		}
		return nil
	}
}

// changes collects what a fleet tells.
type changes struct {
	mu   sync.Mutex
	told []Change
}

func (c *changes) add(change Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, change)
}

// take answers what was told since the last call.
func (c *changes) take() []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.told
	c.told = nil
	return told
}

var credentials = Credentials{URL: "https://gitlab.example.com", Token: gitlab.NewToken("one"), Version: "1"}

func use(t *testing.T, f *Fleet, user string) *Connection {
	t.Helper()
	conn, err := f.Use(user, credentials)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func view(t *testing.T, conn *Connection, newerThan time.Time) View {
	t.Helper()
	v, err := conn.View(t.Context(), newerThan)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func claimed(context.Context) error { return nil }
