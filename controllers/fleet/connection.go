// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// maxAddTimeout bounds an add together with the claim before it, so that a manager that was told to stop can end both
// within its grace period.
const maxAddTimeout = 30 * time.Second

// Connection is a user's way to a GitLab. Its requests return *Open or *Busy when nothing was sent, *gitlab.Error when
// GitLab or the way to it failed, and the error of ctx when that ended first.
type Connection struct {
	link *link
	user string
}

// URL is the normalised URL of the GitLab.
func (c *Connection) URL() string { return c.link.url }

// View waits until the mirror holds a complete list begun not before newerThan, nor more than a sync interval before
// now; a time to come counts as now. All who wait share one list. While the breaker is open for all requests it returns
// *Open, and *Busy while the list itself has to wait for the limiter.
func (c *Connection) View(ctx context.Context, newerThan time.Time) (View, error) {
	l := c.link
	now := time.Now()
	// By its age, so that need is monotonic even if newerThan is a wall clock's.
	need := now.Add(-min(max(now.Sub(newerThan), 0), l.options.SyncInterval))
	for {
		view, settled, err := l.view(c.user, need)
		if err != nil || settled == nil {
			return view, err
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return View{}, ctx.Err()
		case <-l.ctx.Done():
			return View{}, errClosed
		}
	}
}

// view answers the mirror if a list begun not before need is in it; if there will be one, what to wait for.
func (l *link) view(user string, need time.Time) (View, <-chan struct{}, error) {
	l.mu.RLock()
	if l.breaker.cause == nil && !l.mirror.begunAt.Before(need) {
		defer l.mu.RUnlock()
		return View{link: l, begunAt: l.mirror.begunAt}, nil, nil
	}
	l.mu.RUnlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	rechecking := l.breaker.openForAll() && !l.breaker.recheck.IsZero()
	if !rechecking {
		if open := l.breaker.refuses(user, false, now, l.options.Timeout); open != nil {
			return View{}, nil, open
		}
		if !l.mirror.begunAt.Before(need) {
			return View{link: l, begunAt: l.mirror.begunAt}, nil, nil
		}
	}
	if l.wanted.Before(need) {
		l.wanted = need
		l.wake()
	}
	if d := l.stalled.Sub(now); d > patience {
		return View{}, nil, l.limiter.busy(d)
	}
	return View{}, l.settled, nil
}

// View reads the mirror: always its newest state, which is never older than the answers to our own requests. The
// pointers in the clusters are shared and must not be written through.
type View struct {
	link    *link
	begunAt time.Time
}

// Cluster answers the cluster with this id. One that a list has left out may exist all the same, if another was deleted
// between two pages: Get tells.
func (v View) Cluster(id int64) (gitlab.Cluster, bool) {
	v.link.mu.RLock()
	defer v.link.mu.RUnlock()
	c, known := v.link.mirror.clusters[id]
	return c, known
}

// Holders are the clusters with exactly this scope, by id. GitLab allows one, but for two adds at the same moment.
func (v View) Holders(scope string) []gitlab.Cluster {
	v.link.mu.RLock()
	defer v.link.mu.RUnlock()
	return v.link.mirror.holders(scope)
}

// HighestID is the highest id that was ever seen in this mirror; 0 for none.
func (v View) HighestID() int64 {
	v.link.mu.RLock()
	defer v.link.mu.RUnlock()
	return v.link.mirror.highest
}

// BegunAt is when the list began that View waited for.
func (v View) BegunAt() time.Time { return v.begunAt }

// Get asks for one cluster. That GitLab does not find it removes nothing from the mirror; see Gone.
func (c *Connection) Get(ctx context.Context, id int64) (gitlab.Cluster, error) {
	r, err := c.begin(ctx, false)
	if err != nil {
		return gitlab.Cluster{}, err
	}
	have, err := c.link.api.Get(ctx, id)
	r.end(err, func(m *mirror) { m.saw(have, r.sequence) })
	return have, err
}

// Add calls claim when the request may go out, and sends it if claim succeeds; the error of claim is returned as it is.
// From then on it does not end with ctx, but after Timeout, at most 30 seconds, claim included.
func (c *Connection) Add(ctx context.Context, want gitlab.Attributes, claim func(context.Context) error) (gitlab.Cluster, error) {
	r, err := c.begin(ctx, true)
	if err != nil {
		return gitlab.Cluster{}, err
	}
	defer r.abandon()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(c.link.options.Timeout, maxAddTimeout))
	defer cancel()
	if err := claim(ctx); err != nil {
		return gitlab.Cluster{}, err
	}
	have, err := c.link.api.Add(ctx, want)
	r.end(err, func(m *mirror) { m.wrote(have, r.sequence) })
	return have, err
}

// Edit sets these fields of the cluster; once sent, it does not end with ctx.
func (c *Connection) Edit(ctx context.Context, id int64, want gitlab.Attributes, fields []gitlab.Field) (gitlab.Cluster, error) {
	r, err := c.begin(ctx, true)
	if err != nil {
		return gitlab.Cluster{}, err
	}
	defer r.abandon()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.link.options.Timeout)
	defer cancel()
	have, err := c.link.api.Edit(ctx, id, want, fields)
	r.end(err, func(m *mirror) { m.wrote(have, r.sequence) })
	return have, err
}

// Delete deletes the cluster; once sent, it does not end with ctx. GitLab's word is taken into the mirror, but GitLab
// gives it whatever became of the cluster: Get tells.
func (c *Connection) Delete(ctx context.Context, id int64) error {
	r, err := c.begin(ctx, true)
	if err != nil {
		return err
	}
	defer r.abandon()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.link.options.Timeout)
	defer cancel()
	err = c.link.api.Delete(ctx, id)
	r.end(err, func(m *mirror) { m.deleted(id) })
	return err
}

// Gone takes the cluster out of the mirror. The caller has proof: a 404 on its id, and a complete list begun after that
// without it.
func (c *Connection) Gone(id int64) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.mirror.deleted(id)
}

// Reconsider has an open breaker probed now: somebody says that its cause is mended. A rate limit keeps its time, and
// calls that come close together share a probe.
func (c *Connection) Reconsider() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.breaker.reconsider(time.Now())
	c.link.wake()
}

// request is one that limiter and breaker have let through.
type request struct {
	conn     *Connection
	write    bool
	sequence uint64
	begun    time.Time
}

func (c *Connection) begin(ctx context.Context, write bool) (*request, error) {
	l := c.link
	if err := l.admit(c.user, write, nil); err != nil { // before the limiter counts it
		return nil, err
	}
	if err := l.limiter.wait(ctx, l.limiter.busy); err != nil {
		return nil, err
	}
	r := &request{conn: c, write: write}
	if err := l.admit(c.user, write, r); err != nil {
		return nil, err
	}
	return r, nil
}

// admit answers what the breaker has against a request, and if that is nothing has r begin.
func (l *link) admit(user string, write bool, r *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if open := l.breaker.refuses(user, write, now, l.options.Timeout); open != nil {
		return open
	}
	if r == nil {
		return nil
	}
	r.sequence, r.begun = l.mirror.begin(), now
	if l.breaker.writes && write {
		l.breaker.probing = r
	}
	return nil
}

// end takes the outcome into the breaker and, if the request succeeded, into the mirror.
func (r *request) end(err error, learn func(*mirror)) {
	l := r.conn.link
	l.mu.Lock()
	if err == nil {
		learn(&l.mirror)
	}
	users := r.judge(err)
	l.mu.Unlock()
	l.announce(Change{Users: users})
}

// judge takes the outcome into the breaker and answers whom to tell. A timeout or an error of the server stays the
// request's own; that GitLab could not be asked at all is left to a list to confirm.
func (r *request) judge(err error) []string {
	l, e := r.conn.link, (*gitlab.Error)(nil)
	if err != nil {
		e = asError(err)
	}
	probe := l.breaker.probing == r
	switch {
	case e == nil, e.Status != 0 && (e.Kind == gitlab.KindInvalid || e.Kind == gitlab.KindNotFound):
		if probe { // GitLab considers writes again
			return l.heal()
		}
	case e.Kind == gitlab.KindRateLimited, e.Kind == gitlab.KindUnauthorized, e.Kind == gitlab.KindForbidden && !r.write:
		return l.trip(e, false, r.begun)
	case e.Kind == gitlab.KindForbidden, e.Maintenance && r.write:
		l.trip(e, true, r.begun)
		if l.breaker.writes {
			l.breaker.refused[r.conn.user] = true
		}
	case e.Kind == gitlab.KindTLS, e.Kind == gitlab.KindRedirect, e.Kind == gitlab.KindUnreachable && e.Refused():
		if !errors.Is(e, context.Canceled) {
			l.wanted = time.Now()
			l.wake()
		}
	}
	r.hold(jitter(l.options.SyncInterval))
	return nil
}

// hold lets no other write be the probe for a while, if r was it and proved nothing; the caller holds the lock.
func (r *request) hold(pause time.Duration) {
	l := r.conn.link
	if b := &l.breaker; b.probing == r {
		b.refused[r.conn.user] = true
		b.probing, b.until = nil, time.Now().Add(pause)
		l.wake()
	}
}

// abandon does nothing after end. Before, the request was not sent, or ended in a panic.
func (r *request) abandon() {
	r.conn.link.mu.Lock()
	defer r.conn.link.mu.Unlock()
	r.hold(time.Second)
}
