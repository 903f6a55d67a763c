// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

func TestWritesEveryRequestDown(t *testing.T) {
	g := start(t, simulator.Options{})
	g.do("GET", clusters+"?per_page=100", "", "User-Agent", "a client/1", "Authorization", "Bearer x")
	g.add(body("*"))
	g.do("PUT", clusters+"/1", `{"managed":false}`)
	g.do("PUT", clusters+"/1", `{"name":""}`)
	g.do("DELETE", clusters+"/1", "")
	g.do("DELETE", clusters+"/1", "")
	g.do("GET", "/api/v4/user", "", "Private-Token", "unknown")
	var got []string
	for _, e := range g.Journal() {
		got = append(got, fmt.Sprintf("%d %s %s %s %d %v %d %s", e.Seq, e.Method, e.Endpoint, e.Path, e.Status, e.Committed, e.ClusterID, e.Token))
		if e.Began.IsZero() || e.Ended.Before(e.Began) || !e.Handled || e.Lost {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		"1 GET list /api/v4/admin/clusters 200 false 0 admin",
		"2 POST add /api/v4/admin/clusters/add 201 true 1 admin",
		"3 PUT edit /api/v4/admin/clusters/1 200 true 1 admin",
		"4 PUT edit /api/v4/admin/clusters/1 400 false 1 admin",
		"5 DELETE delete /api/v4/admin/clusters/1 204 true 1 admin",
		"6 DELETE delete /api/v4/admin/clusters/1 404 false 1 admin",
		"7 GET user /api/v4/user 401 false 0 ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	first, second := g.Journal()[0], g.Journal()[1]
	if first.UserAgent() != "a client/1" || first.Query != "per_page=100" || first.Header.Get("Authorization")+first.Header.Get("Private-Token") != "" {
		t.Errorf("%+v", first)
	}
	if string(second.Body) != body("*") {
		t.Errorf("body %s", second.Body)
	}
	if n := len(g.Writes()); n != 5 {
		t.Errorf("%d writes", n)
	}
	if n := g.Count("DELETE", `/clusters/\d+$`); n != 2 {
		t.Errorf("%d deletions", n)
	}
	if n := g.Count("", ""); n != 7 {
		t.Errorf("%d requests", n)
	}
	if c := g.Counts(); c["list"] != 1 || c["edit"] != 2 || c["user"] != 1 || c["get"] != 0 {
		t.Errorf("counts %v", c)
	}
	g.ResetJournal()
	if len(g.Journal()) != 0 || len(g.Counts()) != 0 {
		t.Error("it remembers")
	}
	g.do("GET", clusters, "")
	if e := g.Journal()[0]; e.Seq != 8 {
		t.Errorf("numbers began anew: %d", e.Seq)
	}
}

func TestBoundsTheJournal(t *testing.T) {
	g := start(t, simulator.Options{JournalSize: 10})
	for range 25 {
		g.do("GET", clusters, "")
	}
	all := g.Journal()
	if len(all) > 10 || all[len(all)-1].Seq != 25 || g.Counts()["list"] != 25 {
		t.Errorf("%d entries, %v", len(all), g.Counts())
	}
}

func TestWaitsForARequest(t *testing.T) {
	g := start(t, simulator.Options{})
	add := func(e simulator.Entry) bool { return e.Endpoint == "add" && e.Status != 0 }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Wait(ctx, add); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	found := make(chan simulator.Entry)
	go func() {
		e, _ := g.Wait(within(t, 10*time.Second), add)
		found <- e
	}()
	g.do("GET", clusters, "")
	g.add(body("*"))
	if e := <-found; e.Seq != 2 || e.Status != 201 {
		t.Errorf("%+v", e)
	}
	if e, err := g.Wait(within(t, time.Second), add); err != nil || e.Seq != 2 {
		t.Errorf("%v %+v", err, e)
	}
}

func TestServesManyAtOnce(t *testing.T) {
	g := start(t, simulator.Options{JournalSize: 50})
	g.Inject(simulator.Fault{Endpoint: "edit", Skip: 3, Times: 5, Point: simulator.AfterHandling, Drop: simulator.DropReset})
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 20 {
				scope := fmt.Sprintf("%d/%d", worker, i)
				_, _ = g.try("POST", clusters+"/add", body(scope))
				_, _ = g.try("GET", clusters+"?per_page=100", "")
				_, _ = g.try("PUT", clusters+"/"+decimal(int64(i+1)), `{"name":"n"}`)
				_, _ = g.try("POST", clusters+"/add", body("same"))
				g.Journal()
				g.Clusters()
			}
		})
	}
	all.Wait()
	if n := len(g.Clusters()); n != 8*20+1 {
		t.Errorf("%d clusters", n)
	}
	seen := map[int64]bool{}
	for _, id := range g.do("GET", clusters+"?per_page=100", "").ids(t) {
		if seen[id] {
			t.Errorf("%d is listed twice", id)
		}
		seen[id] = true
	}
}
