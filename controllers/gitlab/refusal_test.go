// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryStatusHasItsKind(t *testing.T) {
	kinds := map[int]Kind{
		200: KindUnreadable, 201: KindUnreadable, 202: KindUnreadable, 204: KindUnreadable, 206: KindUnreadable,
		300: KindRedirect, 301: KindRedirect, 302: KindRedirect, 303: KindRedirect, 304: KindRedirect, 307: KindRedirect, 308: KindRedirect,
		400: KindInvalid, 401: KindUnauthorized, 402: KindServer, 403: KindForbidden, 404: KindNotFound, 405: KindInvalid,
		406: KindInvalid, 407: KindServer, 408: KindServer, 409: KindInvalid, 410: KindServer, 412: KindInvalid, 413: KindInvalid,
		415: KindInvalid, 418: KindServer, 422: KindInvalid, 429: KindRateLimited, 500: KindServer, 501: KindServer,
		502: KindServer, 503: KindServer, 504: KindServer, 520: KindServer, 599: KindServer,
	}
	refused := []int{400, 401, 403, 404, 405, 409, 412, 415, 429}
	for _, endpoint := range endpoints {
		for _, status := range slices.Sorted(maps.Keys(kinds)) {
			if status == endpoint.success {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", endpoint.name, status), func(t *testing.T) {
				server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
				want := kinds[status]
				if status == 404 && endpoint.name == "list" {
					want = KindDisabled
				}
				var observed error
				c := client(t, server.URL, func(o *Options) { o.Observe = func(x Exchange) { observed = x.Err } })
				err := endpoint.make(t.Context(), c)
				e := fails(t, err, want)
				if e.Status != status || e.Endpoint != endpoint.name || e.Method != endpoint.method || !e.Sent || e.Message == "" || observed != err {
					t.Errorf("got %+v, observed %v", e, observed)
				}
				if e.Refused() != slices.Contains(refused, status) {
					t.Errorf("refused: %t", e.Refused())
				}
				server.only(t)
			})
		}
	}
}

func TestGitLabsWordsAreKept(t *testing.T) {
	const page = `<!DOCTYPE html><html><head><title>GitLab is not responding &amp; (502)</title></head><body>secret dump</body></html>`
	for _, test := range []struct {
		name, kind, body string
		status           int
		message          string
		fields           map[string][]string
		maintenance      bool
	}{
		{name: "not an administrator", status: 403, body: `{"message":"403 Forbidden"}`, message: "403 Forbidden"},
		{name: "expired", status: 401, body: `{"error":"invalid_token","error_description":"Token is expired."}`,
			message: "invalid_token: Token is expired."},
		{name: "a parameter error", status: 400, body: `{"error":"name is missing, enabled is invalid"}`,
			message: "name is missing, enabled is invalid"},
		{name: "malformed JSON, as Grape explains it", status: 400, body: `{"error":"\nProblem:\n  message body does not match\nResolution:\n  when "}`,
			message: "Problem: message body does not match Resolution: when"},
		{name: "a model's errors", status: 400,
			body:    `{"message":{"platform_kubernetes.api_url":["is blocked: Requests to localhost are not allowed"],"domain":["a","b"]}}`,
			message: "domain: a, b; platform_kubernetes.api_url: is blocked: Requests to localhost are not allowed",
			fields: map[string][]string{"domain": {"a", "b"},
				"platform_kubernetes.api_url": {"is blocked: Requests to localhost are not allowed"}}},
		{name: "a model's errors in other shapes", status: 400, body: `{"message":{"base":"plain","deep":{"a":["x"]},"none":null,"number":[5]}}`,
			message: "base: plain; deep: a: x; number: 5",
			fields:  map[string][]string{"base": {"plain"}, "deep": {"a: x"}, "number": {"5"}}},
		{name: "a list of messages", status: 400, body: `{"message":["one","two"]}`, message: "one, two"},
		{name: "an empty object", status: 400, body: `{}`, message: "Bad Request"},
		{name: "an error without words but a description", status: 401, body: `{"error_description":"x"}`, message: "x"},
		{name: "throttled", kind: "text/plain", status: 429, body: "Retry later\n", message: "Retry later"},
		{name: "a proxy's page", kind: "text/html; charset=utf-8", status: 502, body: page,
			message: `a web page with the title "GitLab is not responding & (502)"`},
		{name: "a page of another declared type", kind: "text/plain", status: 502, body: "\n <html>no title</html>", message: "a web page"},
		{name: "maintenance", status: 503, body: `{"message":"GitLab is undergoing maintenance"}`,
			message: "GitLab is undergoing maintenance", maintenance: true},
		{name: "a proxy without a backend", kind: "text/plain", status: 503, body: "no healthy upstream", message: "no healthy upstream"},
		{name: "truncated JSON", status: 500, body: `{"message":"500 Int`, message: "Internal Server Error"},
		{name: "an array", status: 500, body: `["x"]`, message: "Internal Server Error"},
		{name: "binary", kind: "application/octet-stream", status: 500, body: "\xff\xfe\x00\x01", message: "Internal Server Error"},
		{name: "nothing, with a status that has no name", status: 599, message: "no explanation"},
		{name: "a very long text", kind: "text/plain", status: 500, body: strings.Repeat("ä", 100000),
			message: strings.Repeat("ä", 254) + "…"},
	} {
		t.Run(test.name, func(t *testing.T) {
			headers := []string{"X-Request-Id", "01HXYZABCDEF"}
			if test.kind != "" {
				headers = append(headers, "Content-Type", test.kind)
			}
			server := serve(t, reply(test.status, test.body, headers...))
			_, err := client(t, server.URL).Get(t.Context(), 7)
			e := fails(t, err, kindOf(test.status, "get"))
			if e.Message != test.message {
				t.Errorf("message %q\nwant    %q", e.Message, test.message)
			}
			if !reflect.DeepEqual(e.Fields, test.fields) {
				t.Errorf("fields %v, want %v", e.Fields, test.fields)
			}
			if e.Maintenance != test.maintenance || e.RequestID != "01HXYZABCDEF" {
				t.Errorf("maintenance %t, request %q", e.Maintenance, e.RequestID)
			}
			if want := fmt.Sprintf("get: GitLab answered %d: %s", test.status, test.message); err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
		})
	}
}

func TestAMessageIsTheSameAtEachTry(t *testing.T) {
	try := 0
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		try++
		id := fmt.Sprintf("01HREQUEST%04d", try)
		reply(500, "it broke, see "+id, "Content-Type", "text/plain", "X-Request-Id", id)(w, r)
	})
	c := client(t, server.URL)
	_, first := c.Get(t.Context(), 7)
	_, second := c.Get(t.Context(), 7)
	if first.Error() != second.Error() {
		t.Errorf("first %q, then %q", first, second)
	}
}

func TestTooManyFieldsAreCut(t *testing.T) {
	var parts []string
	for i := range 1000 {
		parts = append(parts, fmt.Sprintf(`"k%d":[%s"x"]`, i, strings.Repeat(`"x",`, 100)))
	}
	server := serve(t, reply(400, `{"message":{`+strings.Join(parts, ",")+`}}`))
	_, err := client(t, server.URL).Add(t.Context(), wanted())
	e := fails(t, err, KindInvalid)
	if len(e.Fields) != maxFields || len(e.Fields["k0"]) != maxPerKey || len(e.Message) > maxMessage {
		t.Errorf("%d fields, %d messages, %d bytes", len(e.Fields), len(e.Fields["k0"]), len(e.Message))
	}
}

func TestADuplicateScopeIsKnown(t *testing.T) {
	for body, want := range map[string]bool{
		`{"message":{"environment_scope":["cannot add duplicated environment scope"]}}`:                                           true,
		`{"message":{"name":["x"],"environment_scope":["is odd","cannot add duplicated environment scope"]}}`:                     true,
		`{"message":{"environment_scope":["can't be blank"]}}`:                                                                    false,
		`{"message":{"domain":["cannot add duplicated environment scope"]}}`:                                                      false,
		`{"message":"cannot add duplicated environment scope"}`:                                                                   false,
		`{"error":"environment_scope is invalid"}`:                                                                                false,
		`{"message":{"environment_scope":["cannot add duplicated environment scope","cannot add duplicated environment scope"]}}`: true,
	} {
		server := serve(t, reply(400, body))
		_, err := client(t, server.URL).Add(t.Context(), wanted())
		e := fails(t, err, KindInvalid)
		if e.DuplicateScope() != want || !e.Refused() {
			t.Errorf("%s: %t, refused %t", body, e.DuplicateScope(), e.Refused())
		}
		if e.Status = 422; e.DuplicateScope() {
			t.Errorf("%s: believed of another status than 400", body)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, reply(200, answered))
	for _, endpoint := range endpoints {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for location, want := range map[string]string{
				elsewhere.URL + "/x?private_token=abc#y": "a redirect to " + elsewhere.URL + ", not followed",
				"https://user:pass@other.example.com/a":  "a redirect to https://other.example.com, not followed",
				"/users/sign_in":                         "a redirect to SELF, not followed",
				"":                                       "a redirect to nowhere, not followed",
				"http://%zz":                             "a redirect to nowhere, not followed",
				"mailto:a@b":                             "a redirect to nowhere, not followed",
			} {
				t.Run(fmt.Sprintf("%s %d %s", endpoint.name, status, location), func(t *testing.T) {
					server := serve(t, reply(status, "", "Location", location))
					e := fails(t, endpoint.make(t.Context(), client(t, server.URL)), KindRedirect)
					if want := strings.ReplaceAll(want, "SELF", server.URL); e.Message != want || e.Refused() {
						t.Errorf("message %q, want %q; refused %t", e.Message, want, e.Refused())
					}
					server.only(t)
				})
			}
		}
	}
	if followed := elsewhere.all(); len(followed) != 0 {
		t.Errorf("the other host was asked: %v", followed)
	}
}

func TestASuccessMustBeAsPromised(t *testing.T) {
	cluster := func(body string) map[string]string {
		return map[string]string{"get": body, "edit": body, "add": body, "list": "[" + body + "]"}
	}
	for _, test := range []struct {
		name, kind string
		bodies     map[string]string
		message    string
	}{
		{"nothing", "", map[string]string{"get": "", "edit": "", "add": "", "list": ""}, "unexpected answer: not a JSON"},
		{"a login page", "text/html", map[string]string{"get": "<html><title>Sign in</title>", "add": "<html><title>Sign in</title>", "list": "<title>Sign in</title>"},
			`not JSON but a web page with the title "Sign in"`},
		{"null", "", map[string]string{"get": "null", "edit": "null", "add": "null", "list": "null"}, "not a JSON"},
		{"the wrong shape", "", map[string]string{"get": "[]", "edit": "[]", "add": "[" + answered + "]", "list": answered}, "not a JSON"},
		{"truncated", "", map[string]string{"get": answered[:200], "edit": answered[:200], "add": answered[:200], "list": "[" + answered}, "incomplete"},
		{"with something after it", "", map[string]string{"get": answered + "x", "add": answered + answered, "list": "[]]"}, "malformed"},
		{"no id", "", cluster(`{"name":"a"}`), "without an id"},
		{"id null", "", cluster(`{"id":null}`), "without an id"},
		{"id 0", "", cluster(`{"id":0}`), "without an id"},
		{"id of another type", "", cluster(`{"id":"7"}`), "unexpected type of id"},
		{"nothing in a row", "", map[string]string{"list": `[null]`}, "without an id"},
		{"another cluster", "", map[string]string{"get": `{"id":8}`, "edit": `{"id":8}`}, "another cluster"},
	} {
		for _, endpoint := range endpoints {
			body, tested := test.bodies[endpoint.name]
			if !tested {
				continue
			}
			t.Run(test.name+" "+endpoint.name, func(t *testing.T) {
				var headers []string
				if test.kind != "" {
					headers = []string{"Content-Type", test.kind}
				}
				server := serve(t, reply(endpoint.success, body, headers...))
				e := fails(t, endpoint.make(t.Context(), client(t, server.URL)), KindUnreadable)
				if !strings.Contains(e.Message, test.message) || e.Refused() {
					t.Errorf("message %q lacks %q; refused %t", e.Message, test.message, e.Refused())
				}
			})
		}
	}
}

func TestAnAnswerIsReadUpToItsCap(t *testing.T) {
	pad := func(w io.Writer, size int) {
		_, _ = io.WriteString(w, answered)
		blanks := bytes.Repeat([]byte(" "), 1<<16)
		for left := size - len(answered); left > 0; left -= len(blanks) {
			if _, err := w.Write(blanks[:min(left, len(blanks))]); err != nil {
				return
			}
		}
	}
	plain := func(size int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { pad(w, size) }
	}
	zipped := func(size int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			pad(z, size)
			_ = z.Close()
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		fits   bool
	}{
		"exactly 16 MiB": {plain(maxBody), true},
		"one byte more":  {plain(maxBody + 1), false},
		"without an end": {plain(1 << 40), false},
		"a bomb":         {zipped(20 << 20), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, serve(t, test.answer).URL).Get(t.Context(), 7)
			if test.fits {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e := fails(t, err, KindUnreadable); e.Message != "the answer is longer than 16 MiB" {
				t.Error(e.Message)
			}
		})
	}
}

func TestWaitsAsLongAsGitLabSays(t *testing.T) {
	now := time.Now()
	stamp := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	date := func(d time.Duration) string { return now.Add(d).UTC().Format(http.TimeFormat) }
	for _, test := range []struct {
		name    string
		status  int
		headers []string
		want    time.Duration
	}{
		{"seconds", 429, []string{"Retry-After", "17"}, 17 * time.Second},
		{"seconds before a reset", 429, []string{"Retry-After", "17", "RateLimit-Reset", stamp(time.Hour)}, 17 * time.Second},
		{"a date", 429, []string{"Retry-After", date(20 * time.Second)}, 20 * time.Second},
		{"a date by a clock that is an hour ahead", 429, []string{"Retry-After", date(time.Hour + 20*time.Second), "Date", date(time.Hour)}, 20 * time.Second},
		{"a date in the past", 429, []string{"Retry-After", date(-time.Hour)}, time.Second},
		{"a reset", 429, []string{"RateLimit-Reset", stamp(30 * time.Second)}, 30 * time.Second},
		{"a reset by a clock that is an hour behind", 429, []string{"RateLimit-Reset", stamp(-time.Hour + 30*time.Second), "Date", date(-time.Hour)}, 30 * time.Second},
		{"a reset in seconds", 429, []string{"RateLimit-Reset", "44"}, 44 * time.Second},
		{"a reset in the past", 429, []string{"RateLimit-Reset", stamp(-time.Minute)}, time.Second},
		{"neither", 429, nil, time.Minute},
		{"zero", 429, []string{"Retry-After", "0"}, time.Second},
		{"nonsense", 429, []string{"Retry-After", "soon", "RateLimit-Reset", "-4"}, time.Minute},
		{"without end", 429, []string{"Retry-After", "9223372036854775807"}, 24 * time.Hour},
		{"maintenance with seconds", 503, []string{"Retry-After", "17"}, 17 * time.Second},
		{"maintenance with nothing", 503, nil, 0},
		{"another error", 500, []string{"Retry-After", "17"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, reply(test.status, "x", test.headers...))
			_, err := client(t, server.URL).Get(t.Context(), 7)
			e := fails(t, err, kindOf(test.status, "get"))
			// Unix time has no fractions, and Date has whole seconds.
			if d := e.RetryAfter - test.want; d < -2*time.Second || d > 2*time.Second {
				t.Errorf("wait %v, want %v", e.RetryAfter, test.want)
			}
			if e.Kind == KindRateLimited && e.RetryAfter < time.Second {
				t.Errorf("wait %v, less than a second", e.RetryAfter)
			}
			if test.want == 0 && e.RetryAfter != 0 || test.want == time.Minute && e.RetryAfter != time.Minute {
				t.Errorf("wait %v, want exactly %v", e.RetryAfter, test.want)
			}
		})
	}
}

func TestRateLimitsAreObservedOnSuccessToo(t *testing.T) {
	now := time.Now()
	headers := func(limit, remaining, reset string) http.Header {
		h := http.Header{}
		for key, value := range map[string]string{"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "RateLimit-Reset": reset} {
			if value != "" {
				h.Set(key, value)
			}
		}
		return h
	}
	reset := fmt.Sprint(now.Unix() + 60)
	for _, test := range []struct {
		name   string
		header http.Header
		known  bool
	}{
		{"all", headers("120", "0", reset), true},
		{"none", headers("", "", ""), false},
		{"no limit", headers("", "5", reset), false},
		{"no remaining", headers("120", "", reset), false},
		{"no reset", headers("120", "5", ""), false},
		{"negative", headers("120", "-1", reset), false},
		{"nonsense", headers("many", "5", reset), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				maps.Copy(w.Header(), test.header)
				reply(200, answered)(w, r)
			})
			var got Exchange
			c := client(t, server.URL, func(o *Options) { o.Observe = func(x Exchange) { got = x } })
			if _, err := c.Get(t.Context(), 7); err != nil {
				t.Fatal(err)
			}
			limit := got.RateLimit
			if limit.Known != test.known {
				t.Fatalf("got %+v", limit)
			}
			if off := limit.Reset.Sub(now) - time.Minute; test.known && (limit.Limit != 120 || limit.Remaining != 0 || off.Abs() > 2*time.Second) {
				t.Errorf("got %+v", limit)
			}
		})
	}
}
