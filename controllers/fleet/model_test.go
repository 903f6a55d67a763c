// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// Workers with objects of their own write, lose answers, look and ask, while somebody else edits and deletes and lists
// run all the time. Whatever the order, nobody is shown a state older than the answer it has had itself, a deleted
// cluster, or a highest id that went back, and in the end the mirror is as GitLab is.
func TestMirrorIsNeverOlderThanOwnWrites(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { exercise(t, seed) })
		})
	}
}

func exercise(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0)) // used under the instance's lock alone
	g := newInstance()
	g.perPage = 3
	g.latency = func() time.Duration { return time.Duration(1 + random.IntN(int(300*time.Millisecond))) }
	g.lose = func(endpoint string) error {
		if endpoint != "list" && random.IntN(8) == 0 {
			return &gitlab.Error{Kind: gitlab.KindUnreachable, Message: "no answer", Sent: true}
		}
		return nil
	}
	f := g.fleet(t, Options{SyncInterval: time.Second})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var workers sync.WaitGroup
	for i := range 5 {
		workers.Go(func() {
			w := &worker{t: t, conn: use(t, f, fmt.Sprint(i)), scope: fmt.Sprint("scope-", i), random: rand.New(rand.NewPCG(seed, uint64(i)+1))}
			for ctx.Err() == nil {
				w.step(ctx)
			}
		})
	}
	workers.Go(func() {
		others := rand.New(rand.NewPCG(seed, 99))
		for sleep(ctx, time.Duration(others.IntN(int(time.Second)))) == nil {
			g.commit(func() {
				for id, c := range g.clusters {
					if others.IntN(20) == 0 {
						delete(g.clusters, id)
					} else if others.IntN(3) == 0 {
						c.Name = fmt.Sprint("edited ", others.IntN(100))
						g.put(c)
					}
				}
				if others.IntN(4) == 0 {
					g.put(gitlab.Cluster{EnvironmentScope: fmt.Sprint("foreign-", others.IntN(100))})
				}
			})
		}
	})
	workers.Wait()

	conn := use(t, f, "0")
	view(t, conn, time.Now())
	if have, want := conn.link.mirror.clusters, g.clusters; !reflect.DeepEqual(have, want) {
		t.Errorf("the mirror has\n%v\nGitLab has\n%v", have, want)
	}
	indexed := 0
	for scope, ids := range conn.link.mirror.scopes {
		for _, id := range ids {
			if indexed++; g.clusters[id].EnvironmentScope != scope {
				t.Errorf("cluster %d is not the holder of %s", id, scope)
			}
		}
	}
	if indexed != len(g.clusters) {
		t.Errorf("%d clusters are found by scope, there are %d", indexed, len(g.clusters))
	}
	if marks := len(conn.link.mirror.marks); marks != 0 {
		t.Errorf("%d marks are kept after a list", marks)
	}
}

// worker does to one cluster what an object's passes do, one request at a time.
type worker struct {
	t       *testing.T
	conn    *Connection
	scope   string
	random  *rand.Rand
	id      int64
	version int64     // of the last answer
	at      time.Time // when it came
	gone    map[int64]bool
	highest int64
}

func (w *worker) step(ctx context.Context) {
	_ = sleep(ctx, time.Duration(w.random.IntN(int(500*time.Millisecond))))
	want := gitlab.Attributes{EnvironmentScope: w.scope + []string{"", "/*"}[w.random.IntN(2)], Name: fmt.Sprint(w.random.IntN(1000))}
	switch n := w.random.IntN(10); {
	case w.id == 0:
		if c, err := w.conn.Add(ctx, want, claimed); err == nil {
			w.told(c)
		} else if v, err := w.conn.View(ctx, time.Now()); err == nil && len(v.Holders(want.EnvironmentScope)) == 1 {
			w.told(v.Holders(want.EnvironmentScope)[0])
		}
	case n < 4:
		if c, err := w.conn.Edit(ctx, w.id, want, nil); err == nil {
			w.told(c)
		} else if isGone(err) {
			w.conn.Gone(w.id)
			w.lost()
		}
	case n < 5:
		if w.conn.Delete(ctx, w.id) == nil {
			w.lost()
		}
	case n < 7:
		if c, err := w.conn.Get(ctx, w.id); err == nil {
			w.told(c)
		} else if isGone(err) {
			w.conn.Gone(w.id)
			w.lost()
		}
	}
	newerThan := time.Time{}
	if w.random.IntN(4) == 0 {
		newerThan = time.Now()
	}
	v, err := w.conn.View(ctx, newerThan)
	if err != nil {
		return
	}
	w.look(v)
}

func (w *worker) look(v View) {
	c, known := v.Cluster(w.id)
	if known && c.ManagementProjectID < w.version {
		w.t.Errorf("cluster %d is shown in its state %d after its state %d was answered", w.id, c.ManagementProjectID, w.version)
	}
	for id := range w.gone {
		if _, known := v.Cluster(id); known {
			w.t.Errorf("cluster %d is shown after it was deleted", id)
		}
	}
	if highest := v.HighestID(); highest < max(w.highest, w.id) {
		w.t.Errorf("the highest id went from %d back to %d", w.highest, highest)
	} else {
		w.highest = highest
	}
	if !known && w.id != 0 {
		if v.BegunAt().Before(w.at) {
			w.t.Errorf("cluster %d is missing, although it was answered after the list began", w.id)
		}
		w.id = 0 // deleted by others, or left out by a list: an object would ask; this one adds again
	}
}

func (w *worker) told(c gitlab.Cluster) {
	w.id, w.version, w.at = c.ID, c.ManagementProjectID, time.Now()
}

func (w *worker) lost() {
	if w.gone == nil {
		w.gone = map[int64]bool{}
	}
	w.gone[w.id] = true
	w.id, w.version = 0, 0
}

func isGone(err error) bool {
	e, ok := err.(*gitlab.Error)
	return ok && e.Kind == gitlab.KindNotFound
}
