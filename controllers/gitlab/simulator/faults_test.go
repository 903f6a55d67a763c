// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

func TestDropsARequestBeforeItIsHandled(t *testing.T) {
	for drop, want := range map[simulator.Drop]error{simulator.DropClose: io.EOF, simulator.DropReset: syscall.ECONNRESET} {
		g := start(t, simulator.Options{})
		lost := g.Inject(simulator.Fault{Name: "lost", Method: "POST", Times: 1, Drop: drop})
		if _, err := g.try("POST", clusters+"/add", body("*")); !errors.Is(err, want) {
			t.Errorf("drop %d: %v", drop, err)
		}
		if n := len(g.Clusters()); n != 0 {
			t.Errorf("%d clusters", n)
		}
		e := g.Journal()[0]
		if e.Handled || e.Committed || !e.Lost || e.Status != 0 || e.Fault != "lost" || e.Endpoint != "add" {
			t.Errorf("journal: %+v", e)
		}
		g.add(body("*"))
		if lost.Hits() != 1 {
			t.Errorf("hit %d times", lost.Hits())
		}
	}
}

func TestLosesTheAnswerOfWhatIsCommitted(t *testing.T) {
	g := start(t, simulator.Options{})
	g.Inject(simulator.Fault{Endpoint: "add", Times: 1, Point: simulator.AfterHandling, Drop: simulator.DropReset})
	if _, err := g.try("POST", clusters+"/add", body("*")); err == nil {
		t.Error("an answer came")
	}
	if c := g.stored(1); c.Name != "a cluster" {
		t.Errorf("stored %+v", c)
	}
	e := g.Journal()[0]
	if !e.Handled || !e.Committed || !e.Lost || e.Status != 0 || e.ClusterID != 1 || e.CommittedAt.IsZero() {
		t.Errorf("journal: %+v", e)
	}
	g.do("POST", clusters+"/add", body("*")).want(t, 400, messageBody("environment_scope", duplicateScope))
}

func TestCommitsLate(t *testing.T) {
	g := start(t, simulator.Options{})
	late := g.Inject(simulator.Fault{Endpoint: "add", Times: 1, Drop: simulator.DropClose, Late: true, Hold: true})
	if _, err := g.try("POST", clusters+"/add", body("*")); !errors.Is(err, io.EOF) {
		t.Errorf("the first add: %v", err)
	}
	if err := late.Wait(within(t, 10*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	if ids := g.do("GET", clusters, "").ids(t); len(ids) != 0 {
		t.Errorf("listed %v", ids)
	}
	late.Release()
	e, err := g.Wait(within(t, 10*time.Second), func(e simulator.Entry) bool { return e.Committed })
	if err != nil || e.Seq != 1 || !e.Lost {
		t.Errorf("%v %+v", err, e)
	}
	if ids := g.do("GET", clusters, "").ids(t); len(ids) != 1 {
		t.Errorf("listed %v", ids)
	}
}

func TestHoldsRequestsUntilReleased(t *testing.T) {
	for _, point := range []simulator.Point{simulator.BeforeHandling, simulator.AfterHandling} {
		g := start(t, simulator.Options{})
		held := g.Inject(simulator.Fault{Endpoint: "add", Hold: true, Point: point})
		done := make(chan reply)
		go func() {
			r, _ := g.try("POST", clusters+"/add", body("*"))
			done <- r
		}()
		if err := held.Wait(within(t, 10*time.Second), 1); err != nil {
			t.Fatal(err)
		}
		if got, want := len(g.Clusters()), map[simulator.Point]int{simulator.AfterHandling: 1}[point]; got != want {
			t.Errorf("%d clusters while held at %d", got, point)
		}
		if e := g.Journal()[0]; !e.Ended.IsZero() || e.Handled != (point == simulator.AfterHandling) {
			t.Errorf("journal: %+v", e)
		}
		held.Release()
		if r := <-done; r.status != 201 {
			t.Errorf("released: %d %s", r.status, r.body)
		}
		// Released once, it holds nobody any more.
		g.add(body("b"))
		if held.Hits() != 2 {
			t.Errorf("hit %d times", held.Hits())
		}
	}
}

func TestHandlesWhatAClientGaveUp(t *testing.T) {
	g := start(t, simulator.Options{})
	var gone <-chan struct{}
	held := g.Inject(simulator.Fault{Endpoint: "add", Hold: true, Match: func(r *http.Request) bool {
		gone = r.Context().Done()
		return true
	}})
	client := *g.client
	client.Timeout = 50 * time.Millisecond
	response, err := client.Do(g.request("POST", clusters+"/add", body("*")))
	if err == nil {
		_ = response.Body.Close()
		t.Error("an answer came")
	}
	if err := held.Wait(within(t, 10*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	<-gone
	held.Release()
	e, err := g.Wait(within(t, 10*time.Second), func(e simulator.Entry) bool { return !e.Ended.IsZero() })
	if err != nil || !e.Committed || !e.Lost {
		t.Errorf("%v %+v", err, e)
	}
}

func TestLetsTwoAddsOfOneScopePassTheCheck(t *testing.T) {
	g := start(t, simulator.Options{})
	race := g.Inject(simulator.Fault{Endpoint: "add", Times: 1, Point: simulator.BeforeSave, Hold: true})
	done := make(chan reply)
	go func() {
		r, _ := g.try("POST", clusters+"/add", body("*"))
		done <- r
	}()
	if err := race.Wait(within(t, 10*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	g.add(body("*"))
	race.Release()
	if r := <-done; r.status != 201 {
		t.Errorf("the first: %d %s", r.status, r.body)
	}
	all := g.Clusters()
	if len(all) != 2 || all[0].EnvironmentScope != all[1].EnvironmentScope {
		t.Errorf("stored %+v", all)
	}
}

func TestSavesOnlyTheColumnsOfAnEdit(t *testing.T) {
	g := start(t, simulator.Options{})
	g.add(body("*"))
	race := g.Inject(simulator.Fault{Endpoint: "edit", Times: 1, Point: simulator.BeforeSave, Hold: true})
	done := make(chan reply)
	go func() {
		r, _ := g.try("PUT", clusters+"/1", `{"name":"first"}`)
		done <- r
	}()
	if err := race.Wait(within(t, 10*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	g.do("PUT", clusters+"/1", `{"name":"second","domain":"a.com"}`)
	race.Release()
	<-done
	if c := g.stored(1); c.Name != "first" || c.Domain == nil {
		t.Errorf("stored %+v", c)
	}
}

func TestAnswersInPlaceOfGitLab(t *testing.T) {
	g := start(t, simulator.Options{})
	g.Inject(simulator.Fault{Method: "POST", Times: 1, Point: simulator.AfterHandling, Answer: &simulator.Answer{Status: 502, Body: simulator.BadGatewayPage}})
	r := g.do("POST", clusters+"/add", body("*"))
	r.want(t, 502, simulator.BadGatewayPage)
	if kind := r.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("Content-Type %s", kind)
	}
	if len(g.Clusters()) != 1 {
		t.Error("it was not handled")
	}
	moved := g.Inject(simulator.Fault{Path: "^/api/v4/admin/clusters/1$", Skip: 1, Answer: &simulator.Answer{Status: 301, Header: http.Header{"Location": {"https://elsewhere.example.com/"}}}})
	if r := g.do("GET", clusters+"/1", ""); r.status != 200 {
		t.Errorf("the first was not spared: %d", r.status)
	}
	for range 2 {
		if r := g.do("DELETE", clusters+"/1", ""); r.status != 301 || r.header.Get("Location") != "https://elsewhere.example.com/" {
			t.Errorf("%d %v", r.status, r.header)
		}
	}
	if len(g.Clusters()) != 1 {
		t.Error("a redirected request was handled")
	}
	moved.Remove()
	g.do("GET", clusters, "").wantNoFault(t)
	g.Inject(simulator.Fault{Answer: &simulator.Answer{Status: 200, Body: `[{"id":`}})
	if r := g.do("GET", clusters, ""); r.header.Get("Content-Type") != "application/json" || r.body != `[{"id":` {
		t.Errorf("%v %s", r.header, r.body)
	}
	g.RemoveFaults()
	g.do("GET", clusters, "").wantNoFault(t)
}

func (r reply) wantNoFault(t *testing.T) {
	t.Helper()
	if r.status != 200 || len(r.ids(t)) != 1 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestCutsAnswers(t *testing.T) {
	g := start(t, simulator.Options{})
	g.seed(3)
	g.Inject(simulator.Fault{Times: 1, Point: simulator.AfterHandling, Cut: 10})
	r, err := g.try("GET", clusters, "")
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(r.body) != 10 || r.status != 200 {
		t.Errorf("%v %+v", err, r)
	}
	g.Inject(simulator.Fault{Times: 1, Point: simulator.AfterHandling, CutAll: true})
	r, err = g.try("GET", clusters, "")
	if !errors.Is(err, io.ErrUnexpectedEOF) || r.body != "" {
		t.Errorf("%v %+v", err, r)
	}
	if e := g.Journal()[1]; !e.Lost || !e.Handled || e.Status != 200 {
		t.Errorf("journal: %+v", e)
	}
}

func TestAnswersSlowlyAndWithoutEnd(t *testing.T) {
	g := start(t, simulator.Options{})
	g.seed(1)
	slow := g.Inject(simulator.Fault{Point: simulator.AfterHandling, Pace: time.Microsecond})
	g.do("GET", clusters, "").wantNoFault(t)
	slow.Remove()
	g.Inject(simulator.Fault{Times: 1, Answer: &simulator.Answer{Status: 200, Endless: true}})
	response, err := g.client.Do(g.request("GET", clusters, ""))
	if err != nil {
		t.Fatal(err)
	}
	first, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || len(bytes.TrimSpace(first)) != 0 || len(first) != 1<<20 {
		t.Errorf("%v, %d bytes", err, len(first))
	}
	_ = response.Body.Close()
	if _, err := g.Wait(within(t, 10*time.Second), func(e simulator.Entry) bool { return e.Seq == 2 && e.Lost }); err != nil {
		t.Errorf("the endless answer did not end with its client: %v", err)
	}
}

func TestDelaysRequests(t *testing.T) {
	g := start(t, simulator.Options{Latency: 20 * time.Millisecond})
	began := time.Now()
	g.do("GET", clusters, "")
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("latency: %s", took)
	}
	g.SetLatency(0)
	g.Inject(simulator.Fault{Times: 1, Delay: 30 * time.Millisecond})
	began = time.Now()
	g.do("GET", clusters, "")
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("delay: %s", took)
	}
}

func TestChoosesRequestsByAFunction(t *testing.T) {
	g := start(t, simulator.Options{})
	g.Inject(simulator.Fault{Match: func(r *http.Request) bool { return r.URL.Query().Get("page") == "2" },
		Answer: &simulator.Answer{Status: 503}})
	if r := g.do("GET", clusters+"?page=2", ""); r.status != 503 {
		t.Errorf("page 2: %d", r.status)
	}
	if r := g.do("GET", clusters, ""); r.status != 200 {
		t.Errorf("page 1: %d", r.status)
	}
}

func TestCloseReleasesWhatIsHeld(t *testing.T) {
	g := start(t, simulator.Options{})
	held := g.Inject(simulator.Fault{Hold: true})
	done := make(chan reply)
	go func() {
		r, _ := g.try("GET", clusters, "")
		done <- r
	}()
	if err := held.Wait(within(t, 10*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	g.Close()
	if r := <-done; r.status != 200 {
		t.Errorf("%d", r.status)
	}
}

func TestRedirectsLikeAProxy(t *testing.T) {
	elsewhere, g := start(t, simulator.Options{}), start(t, simulator.Options{})
	g.Inject(simulator.Fault{Answer: &simulator.Answer{Redirect: elsewhere.server.URL}})
	if r := g.do("GET", clusters+"?page=2", ""); r.status != 301 || r.header.Get("Location") != elsewhere.server.URL+clusters+"?page=2" {
		t.Errorf("%d %v", r.status, r.header)
	}
	g.client.CheckRedirect = nil
	// What a client that follows redirects does with a write: it asks for a cluster called add, with the token.
	g.do("POST", clusters+"/add", body("*")).want(t, 400, errorBody("cluster_id is invalid"))
	e := elsewhere.Journal()[0]
	if e.Method != "GET" || !e.Credentials || len(e.Body) != 0 {
		t.Errorf("journal: %+v", e)
	}
	elsewhere.do("GET", clusters, "", "Private-Token", "")
	if e := elsewhere.Journal()[1]; e.Credentials {
		t.Errorf("journal: %+v", e)
	}
}
