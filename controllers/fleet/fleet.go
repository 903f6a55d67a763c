// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package fleet holds the connections to GitLab. Users with the same URL, token and CA share one HTTP client, one
// limiter, one breaker and one mirror of GitLab's clusters, so that what a fleet of objects asks of GitLab depends on
// the number of clusters per page, not on the number of objects.
package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// Options are the same for all connections of a fleet.
type Options struct {
	// SyncInterval is the time from one list to the next, and the most between probes of a GitLab that refuses; both come up
	// to a tenth earlier.
	SyncInterval time.Duration
	// Timeout is for one request.
	Timeout time.Duration
	// QPS and Burst limit the requests of each connection; with QPS 0 only GitLab's own limits hold.
	QPS       float64
	Burst     int
	UserAgent string
	Log       logr.Logger
	// Changed is called after the fact, from any goroutine, and must not block for long.
	Changed func(Change)
	// Observe is called after each request.
	Observe func(gitlabURL string, e gitlab.Exchange)
	// Refreshed is called after each complete list, with the time when it began.
	Refreshed func(gitlabURL string, at time.Time)
}

// Change says that GitLab, or our way to it, is not as it was.
type Change struct {
	// URL is the normalised URL of the GitLab.
	URL string
	// IDs are the clusters that changed, appeared or vanished since the last list, but for what our own writes
	// explain; ascending.
	IDs []int64
	// Scopes are the environment scopes that these clusters hold or held; sorted.
	Scopes []string
	// Users are those who find the breaker otherwise than they did: all of the connection when it opened or closed for
	// all requests; when it is open for writes alone, those whose writes it has refused and who may now try again.
	// Sorted.
	Users []string
}

// Credentials are a user's way to a GitLab.
type Credentials struct {
	URL   string
	Token gitlab.Token
	// CA is PEM, "" for none but the system's.
	CA string
	// Version changes whenever the Secrets that Token and CA come from do, even if their values stay.
	Version string
}

// api is what a connection asks of GitLab: a gitlab.Client.
type api interface {
	List(context.Context) ([]gitlab.Cluster, error)
	Get(ctx context.Context, id int64) (gitlab.Cluster, error)
	Add(ctx context.Context, want gitlab.Attributes) (gitlab.Cluster, error)
	Edit(ctx context.Context, id int64, want gitlab.Attributes, fields []gitlab.Field) (gitlab.Cluster, error)
	Delete(ctx context.Context, id int64) error
	Close()
}

// errClosed is for those who wait for a list of a connection that has no user any more, or whose fleet has stopped.
var errClosed = fmt.Errorf("the connection has been closed: %w", context.Canceled)

// Fleet knows who uses which connection, and keeps a connection as long as somebody does. A user is the UID of an
// object.
type Fleet struct {
	options Options
	dial    func(gitlab.Options) (api, error)
	loops   sync.WaitGroup

	mu      sync.Mutex
	links   map[identity]*link
	users   map[string]*Connection
	stopped bool
}

// New makes a fleet without connections.
func New(o Options) *Fleet {
	return &Fleet{
		options: o,
		dial: func(o gitlab.Options) (api, error) {
			client, err := gitlab.NewClient(o)
			if err != nil {
				return nil, err // not (*gitlab.Client)(nil) in an interface
			}
			return client, nil
		},
		links: map[identity]*link{},
		users: map[string]*Connection{},
	}
}

// Start waits until ctx is done and then closes every connection: running lists end, running writes do not.
func (f *Fleet) Start(ctx context.Context) error {
	<-ctx.Done()
	f.mu.Lock()
	f.stopped = true
	for id, l := range f.links {
		l.close()
		delete(f.links, id)
	}
	f.mu.Unlock()
	f.loops.Wait()
	return nil
}

// Use answers the user's connection from now on. The one it used before is released. After the fleet has stopped it
// answers connections that are closed: they still send requests, but no lists.
func (f *Fleet) Use(user string, c Credentials) (*Connection, error) {
	url, err := gitlab.NormalizeURL(c.URL)
	if err != nil {
		return nil, err
	}
	c.URL = url
	id := identify(c)
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.users[user]
	if before != nil && before.link.id == id {
		before.link.join(user, c.Version, true)
		return before, nil
	}
	l := f.links[id]
	if l == nil {
		if l, err = f.open(id, c); err != nil {
			return nil, err
		}
	}
	l.join(user, c.Version, before != nil)
	conn := &Connection{link: l, user: user}
	f.users[user] = conn
	if before != nil {
		f.leave(before)
	}
	return conn, nil
}

// Last answers the connection that the user used last, nil if none. It works even when the Secrets are gone.
func (f *Fleet) Last(user string) *Connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.users[user]
}

// Release forgets the user.
func (f *Fleet) Release(user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if conn := f.users[user]; conn != nil {
		delete(f.users, user)
		f.leave(conn)
	}
}

// open makes the link for these credentials; the caller holds the lock.
func (f *Fleet) open(id identity, c Credentials) (*link, error) {
	l := newLink(&f.options, id, c.URL)
	client, err := f.dial(gitlab.Options{
		URL:        c.URL,
		Token:      c.Token,
		CA:         []byte(c.CA),
		Timeout:    f.options.Timeout,
		UserAgent:  f.options.UserAgent,
		Observe:    l.observe,
		BeforePage: l.waitForPage,
	})
	if err != nil {
		l.cancel()
		return nil, err
	}
	l.api = client
	if f.stopped {
		l.close()
		return l, nil
	}
	f.links[id] = l
	f.loops.Go(l.run)
	if strings.HasPrefix(c.URL, "http://") {
		l.log.Info("GitLab is asked over plain http: its token and the clusters' tokens can be read on the way")
	}
	return l, nil
}

// leave takes the user off a link, and closes it if it was the last; the caller holds the lock.
func (f *Fleet) leave(conn *Connection) {
	if conn.link.part(conn.user) > 0 || f.links[conn.link.id] != conn.link {
		return
	}
	conn.link.close()
	delete(f.links, conn.link.id)
}

// identity tells connections apart by all that makes them and reveals none of it.
type identity [sha256.Size]byte

func identify(c Credentials) identity {
	sum := sha256.New()
	for _, part := range []string{c.URL, c.Token.Reveal(), c.CA} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		sum.Write(size[:])
		_, _ = io.WriteString(sum, part) // a hash never fails
	}
	return identity(sum.Sum(nil))
}
