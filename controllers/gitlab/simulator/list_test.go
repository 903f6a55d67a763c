// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// ids reads those of a list.
func (r reply) ids(t *testing.T) []int64 {
	t.Helper()
	var list []struct{ ID int64 }
	if err := json.Unmarshal([]byte(r.body), &list); err != nil {
		t.Fatalf("%v in %d %s", err, r.status, r.body)
	}
	found := []int64{}
	for _, c := range list {
		found = append(found, c.ID)
	}
	return found
}

// seed stores n clusters.
func (g *gitlab) seed(n int) {
	for i := range n {
		g.Seed(simulator.NewCluster("seeded", fmt.Sprintf("scope/%d", i)))
	}
}

func TestListsByPages(t *testing.T) {
	g := start(t, simulator.Options{ExternalURL: "https://gitlab.example.com"})
	g.seed(45)
	for _, test := range []struct {
		query                            string
		first, count                     int
		perPage, page, next, prev, pages string
	}{
		{"", 1, 20, "20", "1", "2", "", "3"},
		{"?page=2", 21, 20, "20", "2", "3", "1", "3"},
		{"?page=3", 41, 5, "20", "3", "", "2", "3"},
		{"?page=4", 0, 0, "20", "4", "", "", "3"},
		{"?per_page=100", 1, 45, "100", "1", "", "", "1"},
		{"?per_page=5000", 1, 45, "100", "1", "", "", "1"},
		{"?per_page=-5", 1, 20, "20", "1", "2", "", "3"},
		{"?per_page=x", 1, 20, "20", "1", "2", "", "3"},
		{"?per_page=", 1, 20, "20", "1", "2", "", "3"},
		{"?per_page=15x", 1, 15, "15", "1", "2", "", "3"},
		{"?page=0", 1, 20, "20", "1", "2", "", "3"},
		{"?page=-3", 1, 20, "20", "1", "2", "", "3"},
		{"?page=x", 1, 20, "20", "1", "2", "", "3"},
		{"?page=99999999999999999999", 0, 0, "20", "2147483647", "", "", "3"},
		{"?per_page=45", 1, 45, "45", "1", "", "", "1"},
		{"?per_page=44&page=2", 45, 1, "44", "2", "", "1", "2"},
		{"?pagination=keyset&order_by=name&sort=desc", 1, 20, "20", "1", "2", "", "3"},
	} {
		r := g.do("GET", clusters+test.query, "")
		ids := r.ids(t)
		if len(ids) != test.count || len(ids) > 0 && ids[0] != int64(test.first) {
			t.Errorf("%s: %v", test.query, ids)
		}
		for key, want := range map[string]string{"X-Per-Page": test.perPage, "X-Page": test.page, "X-Next-Page": test.next,
			"X-Prev-Page": test.prev, "X-Total": "45", "X-Total-Pages": test.pages} {
			if got, given := r.header[key], len(r.header[key]) == 1; !given || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", test.query, key, got, want)
			}
		}
	}
	empty := start(t, simulator.Options{}).do("GET", clusters, "")
	if empty.header.Get("X-Total") != "0" || empty.header.Get("X-Total-Pages") != "1" || empty.header.Get("X-Page") != "1" {
		t.Errorf("an empty list: %v", empty.header)
	}
	if r := g.do("GET", clusters+"?per_page=0", ""); r.status != 500 {
		t.Errorf("per_page=0: %d", r.status)
	}
}

func TestLinksToItsExternalURL(t *testing.T) {
	g := start(t, simulator.Options{ExternalURL: "https://gitlab.example.com"})
	g.seed(5)
	at := func(page, relation string) string {
		return "<https://gitlab.example.com/api/v4/admin/clusters?a=b&page=" + page + "&per_page=2>; rel=\"" + relation + `"`
	}
	for page, want := range map[string][]string{
		"1": {at("2", "next"), at("1", "first"), at("3", "last")},
		"2": {at("1", "prev"), at("3", "next"), at("1", "first"), at("3", "last")},
		"3": {at("2", "prev"), at("1", "first"), at("3", "last")},
		"4": {at("1", "first"), at("3", "last")},
	} {
		r := g.do("GET", clusters+"?per_page=2&a=b&page="+page, "")
		if got := r.header.Get("Link"); got != strings.Join(want, ", ") {
			t.Errorf("page %s: %s", page, got)
		}
	}
	if link := g.do("GET", clusters+"?private_token="+adminToken, "").header.Get("Link"); !strings.Contains(link, adminToken) {
		t.Errorf("credentials of the query are not echoed: %s", link)
	}
	if query := g.Journal()[4].Query; strings.Contains(query, adminToken) {
		t.Error("the journal has the token")
	}
}

func TestLinksToWhereItListensWithoutAnExternalURL(t *testing.T) {
	g := start(t, simulator.Options{BasePath: "/gitlab"})
	g.seed(3)
	want := "<" + g.server.URL + clusters + "?page=2&per_page=2>; rel=\"next\""
	if link := g.do("GET", clusters+"?per_page=2", "").header.Get("Link"); !strings.HasPrefix(link, want) {
		t.Errorf("links %s", link)
	}
}

func TestNamesItselfAsItIsCalledWhenItHasNoServer(t *testing.T) {
	sim := simulator.New(simulator.Options{Token: adminToken})
	sim.Seed(simulator.NewCluster("c", "*"))
	for _, host := range []string{"one.example.com", "two.example.com"} {
		r := httptest.NewRequest("GET", "http://"+host+clusters, nil)
		r.Header.Set("Private-Token", adminToken)
		answer := httptest.NewRecorder()
		sim.ServeHTTP(answer, r)
		link, web := "<http://"+host+clusters+"?", `"web_url":"http://`+host+`/root"`
		if !strings.HasPrefix(answer.Header().Get("Link"), link) || !strings.Contains(answer.Body.String(), web) {
			t.Errorf("called %s: %s %s", host, answer.Header().Get("Link"), answer.Body)
		}
	}
}

func TestListsClustersOfEveryProviderInOrder(t *testing.T) {
	g := start(t, simulator.Options{})
	for i, kind := range []string{"user", "gcp", "aws"} {
		c := simulator.NewCluster("c", kind)
		c.ProviderType, c.ID, c.Enabled = kind, int64(30-i), new(false)
		g.Seed(c)
	}
	if ids := g.do("GET", clusters, "").ids(t); fmt.Sprint(ids) != "[28 29 30]" {
		t.Errorf("listed %v", ids)
	}
	if err := g.DeleteOutOfBand(29); err != nil {
		t.Fatal(err)
	}
	if ids := g.do("GET", clusters, "").ids(t); fmt.Sprint(ids) != "[28 30]" {
		t.Errorf("listed %v", ids)
	}
}

func TestStopsCountingManyRows(t *testing.T) {
	g := start(t, simulator.Options{})
	g.seed(10_000)
	if r := g.do("GET", clusters+"?per_page=100&page=100", ""); r.header.Get("X-Total") != "10000" || r.header.Get("X-Next-Page") != "" {
		t.Errorf("10,000 rows: %v", r.header)
	}
	g.Seed(simulator.NewCluster("one more", "one more"))
	r := g.do("GET", clusters+"?per_page=100&page=100", "")
	_, total := r.header["X-Total"]
	_, pages := r.header["X-Total-Pages"]
	if total || pages || strings.Contains(r.header.Get("Link"), `rel="last"`) || r.header.Get("X-Next-Page") != "101" {
		t.Errorf("10,001 rows: %v", r.header)
	}
	if ids := g.do("GET", clusters+"?per_page=100&page=101", "").ids(t); len(ids) != 1 {
		t.Errorf("the last page has %v", ids)
	}
}

func BenchmarkListOfOneHundredOfTenThousand(b *testing.B) {
	sim := simulator.New(simulator.Options{Token: adminToken, ExternalURL: "https://gitlab.example.com", JournalSize: 1000})
	ca := strings.Repeat("A", 1800)
	for i := range 10_000 {
		c := simulator.NewCluster("seeded", fmt.Sprintf("scope/%d", i))
		c.CACert = &ca
		sim.Seed(c)
	}
	page := 0
	for b.Loop() {
		page = page%100 + 1
		r := httptest.NewRequest("GET", fmt.Sprintf("%s?per_page=100&page=%d", clusters, page), nil)
		r.Header.Set("Private-Token", adminToken)
		answer := httptest.NewRecorder()
		if sim.ServeHTTP(answer, r); answer.Code != 200 {
			b.Fatal(answer.Code)
		}
	}
}
