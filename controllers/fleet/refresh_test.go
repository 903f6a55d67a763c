// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

func TestIdleConnectionSendsOneListPerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(250)
		var told changes
		var refreshed []time.Time
		f := g.fleet(t, Options{Changed: told.add, Refreshed: func(_ string, at time.Time) { refreshed = append(refreshed, at) }})
		conn := use(t, f, "user")
		time.Sleep(time.Hour)
		if n := g.all(); n != 0 {
			t.Fatalf("%d requests before anybody looked", n)
		}
		view(t, conn, time.Time{})
		if n := g.all(); n != 3 {
			t.Fatalf("%d requests for the first view of 250 clusters", n)
		}
		for range 100 {
			time.Sleep(time.Minute)
			view(t, conn, time.Time{})
			view(t, conn, time.Now().Add(-time.Hour)) // no reason to ask either
		}
		if n := g.all(); n < 3*11 || n > 3*12 {
			t.Errorf("%d requests in 100 minutes, 10 more lists expected", n)
		}
		synctest.Wait()
		for i, at := range refreshed[1:] {
			if d := at.Sub(refreshed[i]); d < 9*time.Minute || d > 10*time.Minute+time.Second {
				t.Errorf("a list %v after the one before", d)
			}
		}
		if told := told.take(); told != nil {
			t.Errorf("told of %v", told)
		}
	})
}

func TestEveryListRestartsTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		f := g.fleet(t, Options{})
		conn := use(t, f, "user")
		for range 20 {
			view(t, conn, time.Now())
			time.Sleep(8 * time.Minute)
		}
		if n := g.count("list"); n != 20 {
			t.Errorf("%d lists for 20 needs", n)
		}
	})
}

func TestConcurrentNeedsShareOneList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.latency = func() time.Duration { return 10 * time.Second }
		f := g.fleet(t, Options{})
		var wait sync.WaitGroup
		look := func(n int) {
			for i := range n {
				conn := use(t, f, fmt.Sprint(i))
				wait.Go(func() {
					asked := time.Now()
					if begun := view(t, conn, asked).BegunAt(); begun.Before(asked) {
						t.Errorf("was given a list begun %v before it asked", asked.Sub(begun))
					}
				})
			}
		}
		look(100)
		time.Sleep(time.Second)
		look(100) // the running list began too early for these
		time.Sleep(time.Second)
		look(100)
		wait.Wait()
		if n := g.count("list"); n != 2 {
			t.Errorf("%d lists for 300 views", n)
		}
		if g.most["list"] != 1 {
			t.Errorf("%d lists at the same time", g.most["list"])
		}
		conn := use(t, f, "late")
		look(1)
		time.Sleep(time.Second)
		v := view(t, conn, time.Now().Add(-5*time.Second)) // the running list will do
		wait.Wait()
		if n := g.count("list"); n != 3 || time.Since(v.BegunAt()) > 11*time.Second {
			t.Errorf("a running list was not joined: %d lists", n)
		}
	})
}

func TestNeedsOfTheFutureAndTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		conn := use(t, g.fleet(t, Options{}), "user")
		began := time.Now()
		view(t, conn, time.Now().Add(time.Hour))
		view(t, conn, time.Now().Round(0).Add(time.Hour))
		if took := time.Since(began); took > time.Second {
			t.Errorf("waited %v", took)
		}
		time.Sleep(time.Minute)
		if n := g.count("list"); n != 2 {
			t.Errorf("%d lists for two views", n)
		}
	})
}

func TestNobodyIsShownMoreThanAnIntervalsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		conn := use(t, g.fleet(t, Options{}), "user")
		view(t, conn, time.Time{})
		g.commit(func() { g.latency = func() time.Duration { return 5 * time.Minute } })
		time.Sleep(12 * time.Minute) // the next list is on its way
		for _, newerThan := range []time.Time{{}, time.Now().Add(-time.Hour)} {
			asked := time.Now()
			if age := asked.Sub(view(t, conn, newerThan).BegunAt()); age > 10*time.Minute {
				t.Errorf("was shown a list begun %v ago", age)
			}
		}
	})
}

func TestModestNeedDoesNotHideAGreaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.latency = func() time.Duration { return 10 * time.Second }
		f := g.fleet(t, Options{})
		conn := use(t, f, "user")
		began := time.Now()
		var wait sync.WaitGroup
		look := func(newerThan time.Time) { wait.Go(func() { view(t, conn, newerThan) }) }
		look(began)
		time.Sleep(2 * time.Second)
		look(time.Now())
		time.Sleep(time.Second)
		look(began)
		wait.Wait()
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("two lists took %v", took)
		}
	})
}

func TestListGoesOnWithoutTheCallerWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.latency = func() time.Duration { return 10 * time.Second }
		f := g.fleet(t, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := use(t, f, "impatient").View(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller left with %v", err)
			}
		})
		wait.Go(func() { view(t, use(t, f, "patient"), time.Time{}) })
		wait.Wait()
		if n := g.count("list"); n != 1 {
			t.Errorf("%d lists", n)
		}
	})
}

func TestChangesByOthersAreToldOncePerList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(5)
		var told changes
		conn := use(t, g.fleet(t, Options{Changed: told.add}), "user")
		view(t, conn, time.Time{})
		if _, err := conn.Edit(t.Context(), 1, gitlab.Attributes{Name: "ours", EnvironmentScope: "scope-0"}, nil); err != nil {
			t.Fatal(err)
		}
		if err := conn.Delete(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Add(t.Context(), gitlab.Attributes{EnvironmentScope: "ours"}, claimed); err != nil {
			t.Fatal(err)
		}
		g.commit(func() {
			c := g.clusters[3]
			c.EnvironmentScope = "moved"
			g.put(c)
			delete(g.clusters, 4)
			g.put(gitlab.Cluster{EnvironmentScope: "foreign"})
		})
		if told := told.take(); told != nil {
			t.Errorf("told of %v before any list", told)
		}
		time.Sleep(30 * time.Minute)
		want := []Change{{URL: "https://gitlab.example.com", IDs: []int64{3, 4, 7}, Scopes: []string{"foreign", "moved", "scope-2", "scope-3"}}}
		if told := told.take(); !reflect.DeepEqual(told, want) {
			t.Errorf("told of %v, not %v", told, want)
		}
	})
}

// A row that was deleted by others between two pages moves those behind it up, and one of them out of sight.
func TestClusterMissedByAListIsFoundByGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInstance()
		g.seed(4)
		g.perPage = 2
		g.latency = func() time.Duration { return time.Second }
		conn := use(t, g.fleet(t, Options{}), "user")
		go func() {
			time.Sleep(time.Second)
			g.commit(func() { delete(g.clusters, 1) })
		}()
		v := view(t, conn, time.Time{})
		if _, known := v.Cluster(3); known {
			t.Fatal("the list shows the cluster after all")
		}
		if _, err := conn.Get(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		if _, known := v.Cluster(3); !known || len(v.Holders("scope-2")) != 1 {
			t.Error("the cluster is not in the mirror after it was answered")
		}
		if _, err := conn.Get(t.Context(), 1); !isGone(err) {
			t.Fatal(err)
		}
		if _, known := v.Cluster(1); !known {
			t.Error("a 404 alone removed a cluster")
		}
		conn.Gone(1)
		if _, known := v.Cluster(1); known {
			t.Error("a cluster is there after it was proven gone")
		}
		if v.HighestID() != 4 {
			t.Errorf("the highest id is %d", v.HighestID())
		}
	})
}
