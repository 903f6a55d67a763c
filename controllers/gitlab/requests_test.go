// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// answered is a cluster as lib/api/entities/cluster.rb of GitLab 19 writes it.
const answered = `{"id":7,"name":"production","created_at":"2020-07-14T18:36:10.440Z","domain":"apps.example.com",
"enabled":true,"managed":false,"provider_type":"user","platform_type":"kubernetes","environment_scope":"production/*",
"cluster_type":"instance_type","namespace_per_environment":true,
"user":{"id":1,"username":"root","public_email":"","name":"Administrator","state":"active","locked":false},
"platform_kubernetes":{"api_url":"https://k8s.example.com:6443","namespace":"apps","authorization_type":"rbac","ca_cert":"a certificate"},
"provider_gcp":null,"management_project":{"id":42,"path":"p"},"project":null}`

func TestRequestsAreExactlyThese(t *testing.T) {
	const everything = `{"domain":"apps.example.com","enabled":true,"environment_scope":"production/*","managed":false,` +
		`"management_project_id":42,"name":"production","namespace_per_environment":true,` +
		`"platform_kubernetes_attributes":{"api_url":"https://k8s.example.com:6443","authorization_type":"rbac",` +
		`"ca_cert":"a certificate","namespace":"apps","token":"SENTINEL.cluster/token+with=\"odd\"\u003ccharacters\u003e"}}`
	bodies := map[string]string{
		"add": everything,
		"edit": `{"namespace_per_environment":true,` +
			`"platform_kubernetes_attributes":{"token":"SENTINEL.cluster/token+with=\"odd\"\u003ccharacters\u003e"}}`,
	}
	for _, endpoint := range endpoints {
		t.Run(endpoint.name, func(t *testing.T) {
			body := answered
			switch endpoint.name {
			case "list":
				body = "[" + answered + "]"
			case "delete":
				body = ""
			}
			server := serve(t, reply(endpoint.success, body, "X-Request-Id", "01ABC"))
			var exchanges []Exchange
			c := client(t, server.URL, func(o *Options) {
				o.Observe = func(e Exchange) { exchanges = append(exchanges, e) }
			})
			if err := endpoint.make(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := server.only(t)
			if got.Method != endpoint.method || got.URI != endpoint.uri || got.Body != bodies[endpoint.name] {
				t.Errorf("sent %s %s %s\nwant %s %s %s", got.Method, got.URI, got.Body, endpoint.method, endpoint.uri, bodies[endpoint.name])
			}
			want := http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"gzip"},
				"Authorization": {"Bearer " + adminToken}, "User-Agent": {"test/1"}}
			if got.Method != http.MethodGet {
				want["Content-Type"] = []string{"application/json"}
			}
			if got.Body != "" {
				want["Content-Length"] = []string{strconv.Itoa(len(got.Body))}
			}
			if fmt.Sprint(got.Header) != fmt.Sprint(want) {
				t.Errorf("sent headers %v\nwant %v", got.Header, want)
			}
			if len(exchanges) != 1 || exchanges[0].Endpoint != endpoint.name || exchanges[0].Method != endpoint.method ||
				exchanges[0].Status != endpoint.success || exchanges[0].RequestID != "01ABC" || exchanges[0].Duration <= 0 ||
				exchanges[0].Err != nil || exchanges[0].RateLimit.Known {
				t.Errorf("observed %+v", exchanges)
			}
		})
	}
}

func TestAddLeavesOutWhatIsNotSet(t *testing.T) {
	server := serve(t, reply(201, answered))
	_, err := client(t, server.URL+"/gitlab/").Add(t.Context(), Attributes{Name: "a", EnvironmentScope: "*",
		APIURL: "https://k", Token: NewToken("t-0123456789")})
	if err != nil {
		t.Fatal(err)
	}
	got := server.only(t)
	const want = `{"enabled":false,"environment_scope":"*","managed":false,"name":"a","namespace_per_environment":false,` +
		`"platform_kubernetes_attributes":{"api_url":"https://k","token":"t-0123456789"}}`
	if got.Body != want {
		t.Errorf("sent %s\nwant %s", got.Body, want)
	}
	if got.URI != "/gitlab/api/v4/admin/clusters/add" {
		t.Errorf("sent to %s, which is not below the relative URL", got.URI)
	}
}

func TestEditSendsItsFieldsAlone(t *testing.T) {
	const npe = `"namespace_per_environment":`
	platform := func(attribute string) string {
		return `{` + npe + `true,"platform_kubernetes_attributes":{` + attribute + `}}`
	}
	none := Attributes{NamespacePerEnvironment: true}
	for _, test := range []struct {
		name   string
		want   Attributes
		fields []Field
		body   string
	}{
		{"nothing", wanted(), nil, `{` + npe + `true}`},
		{"nothing, with a namespace for all environments", Attributes{}, nil, `{` + npe + `false}`},
		{"name", wanted(), []Field{FieldName}, `{"name":"production",` + npe + `true}`},
		{"scope", wanted(), []Field{FieldEnvironmentScope}, `{"environment_scope":"production/*",` + npe + `true}`},
		{"domain", wanted(), []Field{FieldDomain}, `{"domain":"apps.example.com",` + npe + `true}`},
		{"domain cleared", none, []Field{FieldDomain}, `{"domain":null,` + npe + `true}`},
		{"management project", wanted(), []Field{FieldManagementProjectID}, `{"management_project_id":42,` + npe + `true}`},
		{"management project cleared", none, []Field{FieldManagementProjectID}, `{"management_project_id":null,` + npe + `true}`},
		{"enabled", wanted(), []Field{FieldEnabled}, `{"enabled":true,` + npe + `true}`},
		{"disabled", none, []Field{FieldEnabled}, `{"enabled":false,` + npe + `true}`},
		{"not managed", wanted(), []Field{FieldManaged}, `{"managed":false,` + npe + `true}`},
		{"namespace per environment", wanted(), []Field{FieldNamespacePerEnvironment}, `{` + npe + `true}`},
		{"API URL", wanted(), []Field{FieldAPIURL}, platform(`"api_url":"https://k8s.example.com:6443"`)},
		{"CA", wanted(), []Field{FieldCACert}, platform(`"ca_cert":"a certificate"`)},
		{"CA cleared", none, []Field{FieldCACert}, platform(`"ca_cert":null`)},
		{"namespace", wanted(), []Field{FieldNamespace}, platform(`"namespace":"apps"`)},
		{"namespace cleared with managed", Attributes{Managed: true, NamespacePerEnvironment: true},
			[]Field{FieldManaged, FieldNamespace}, `{"managed":true,` + npe + `true,"platform_kubernetes_attributes":{"namespace":null}}`},
		{"authorization type, which no edit can change", wanted(), []Field{FieldAuthorizationType}, `{` + npe + `true}`},
		{"token", Attributes{Token: NewToken("t-0123456789"), NamespacePerEnvironment: true}, []Field{FieldToken},
			platform(`"token":"t-0123456789"`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, reply(200, answered))
			if _, err := client(t, server.URL).Edit(t.Context(), 7, test.want, test.fields); err != nil {
				t.Fatal(err)
			}
			if got := server.only(t); got.Body != test.body {
				t.Errorf("sent %s\nwant %s", got.Body, test.body)
			}
		})
	}
}

func TestAnEmptyTokenIsNeverSent(t *testing.T) {
	server := serve(t, reply(200, answered))
	c := client(t, server.URL)
	want := wanted()
	want.Token = Token{}
	_, err := c.Add(t.Context(), want)
	_, errEdit := c.Edit(t.Context(), 7, want, []Field{FieldName, FieldToken})
	_, errField := c.Edit(t.Context(), 7, wanted(), []Field{"colour"})
	for _, err := range []error{err, errEdit, errField} {
		if e := fails(t, err, KindInvalid); !e.Refused() || e.Sent {
			t.Errorf("%v: refused %t, sent %t", e, e.Refused(), e.Sent)
		}
	}
	if sent := server.all(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
}

// paged answers a list of ids from 1 to total; change may alter the answer's headers.
func paged(total int, change func(page int, h http.Header)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.FormValue("page"))
		size, _ := strconv.Atoi(r.FormValue("per_page"))
		rows := []json.RawMessage{}
		for id := (page-1)*size + 1; id <= min(page*size, total); id++ {
			rows = append(rows, json.RawMessage(fmt.Sprintf(`{"id":%d}`, id)))
		}
		next := ""
		if page*size < total {
			next = strconv.Itoa(page + 1)
		}
		w.Header().Set("X-Next-Page", next)
		w.Header().Set("Link", `<https://elsewhere.example.com/api/v4/admin/clusters?page=9>; rel="next"`)
		change(page, w.Header())
		_ = json.NewEncoder(w).Encode(rows)
	}
}

func TestListReadsEveryPage(t *testing.T) {
	asIs := func(int, http.Header) {}
	stripped := func(_ int, h http.Header) { h.Del("X-Next-Page") }
	for _, test := range []struct {
		name     string
		total    int
		change   func(int, http.Header)
		requests int
	}{
		{"none", 0, asIs, 1}, {"1", 1, asIs, 1}, {"99", 99, asIs, 1}, {"100", 100, asIs, 1}, {"101", 101, asIs, 2},
		{"200", 200, asIs, 2}, {"201", 201, asIs, 3}, {"1000", 1000, asIs, 10},
		{"99 through a proxy that takes the header away", 99, stripped, 1},
		{"100 through such a proxy", 100, stripped, 2},
		{"250 through such a proxy", 250, stripped, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, paged(test.total, test.change))
			clusters, err := client(t, server.URL).List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range clusters {
				if c.ID != int64(i+1) {
					t.Fatalf("cluster %d has id %d", i, c.ID)
				}
			}
			if len(clusters) != test.total || len(server.all()) != test.requests {
				t.Errorf("%d clusters with %d requests, want %d with %d", len(clusters), len(server.all()), test.total, test.requests)
			}
		})
	}
}

func TestListRefusesPagesThatLeadNowhere(t *testing.T) {
	for name, next := range map[string]string{
		"back to itself": "1", "back": "0", "skipping one": "3", "negative": "-1", "not a number": "two", "beyond all numbers": "99999999999999999999",
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, paged(500, func(_ int, h http.Header) { h.Set("X-Next-Page", next) }))
			_, err := client(t, server.URL).List(t.Context())
			fails(t, err, KindUnreadable)
			if n := len(server.all()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("endless without a new cluster", func(t *testing.T) {
		page := 0
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			page++
			reply(200, `[{"id":1},{"id":1}]`, "X-Next-Page", strconv.Itoa(page+1))(w, r)
		})
		_, err := client(t, server.URL).List(t.Context())
		fails(t, err, KindUnreadable)
		if n := len(server.all()); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
	t.Run("beyond the last page that is believed", func(t *testing.T) {
		if _, err := nextPage(http.Header{"X-Next-Page": {strconv.Itoa(maxPages + 1)}}, maxPages, 100); err == nil {
			t.Error("no error")
		}
	})
}

func TestListIsNothingIfOnePageFails(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "2" {
			reply(500, `{"message":"500 Internal Server Error"}`)(w, r)
			return
		}
		paged(300, func(int, http.Header) {})(w, r)
	})
	clusters, err := client(t, server.URL).List(t.Context())
	fails(t, err, KindServer)
	if clusters != nil {
		t.Errorf("got %d clusters with the error", len(clusters))
	}
}

func TestListDropsARowThatIsOnTwoPages(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "1" {
			reply(200, `[{"id":1},{"id":2}]`, "X-Next-Page", "2")(w, r)
			return
		}
		reply(200, `[{"id":2},{"id":3}]`, "X-Next-Page", "")(w, r)
	})
	clusters, err := client(t, server.URL).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(clusters, []int64{1, 2, 3}, func(c Cluster, id int64) bool { return c.ID == id }) {
		t.Errorf("got %+v", clusters)
	}
}

func TestOneClientServesManyAtOnce(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			reply(201, answered)(w, r)
		case r.Method == http.MethodDelete:
			w.WriteHeader(204)
		case strings.Contains(r.RequestURI, "?"):
			reply(200, "["+answered+"]")(w, r)
		default:
			reply(200, answered)(w, r)
		}
	})
	var mu sync.Mutex
	observed := 0
	c := client(t, server.URL, func(o *Options) {
		o.Observe = func(Exchange) { mu.Lock(); observed++; mu.Unlock() }
	})
	var all sync.WaitGroup
	for range 8 {
		for _, endpoint := range endpoints {
			all.Go(func() {
				if err := endpoint.make(context.Background(), c); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if want := 8 * len(endpoints); observed != want || len(server.all()) != want {
		t.Errorf("%d observed, %d seen, want %d", observed, len(server.all()), want)
	}
}
