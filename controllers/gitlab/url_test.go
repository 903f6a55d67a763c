// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"net/url"
	"strings"
	"testing"
)

func TestAURLHasOneForm(t *testing.T) {
	for raw, want := range map[string]string{
		"https://gitlab.example.com":                   "https://gitlab.example.com",
		"https://GitLab.example.com:443/":              "https://gitlab.example.com",
		"HTTPS://gitlab.example.com///":                "https://gitlab.example.com",
		"https://gitlab.example.com:":                  "https://gitlab.example.com",
		"https://gitlab.example.com:0443":              "https://gitlab.example.com",
		"http://h:80":                                  "http://h",
		"http://h:443":                                 "http://h:443",
		"https://h:80":                                 "https://h:80",
		"https://h:8443/":                              "https://h:8443",
		"https://gitlab.example.com/GitLab/":           "https://gitlab.example.com/GitLab",
		"https://gitlab.example.com/a%2Fb/c%20d":       "https://gitlab.example.com/a%2Fb/c%20d",
		"https://10.0.0.1":                             "https://10.0.0.1",
		"https://[2001:DB8:0:0::1]:443/x":              "https://[2001:db8::1]/x",
		"https://[::1]:8443":                           "https://[::1]:8443",
		"http://gitlab.gitlab.svc.cluster.local.:8181": "http://gitlab.gitlab.svc.cluster.local.:8181",
		"https://gitlab.example.com/api/v4x":           "https://gitlab.example.com/api/v4x",
	} {
		if got, err := NormalizeURL(raw); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestABadURLIsRefused(t *testing.T) {
	for raw, why := range map[string]string{
		"":                                      "https://",
		"gitlab.example.com":                    "https://",
		"gitlab.example.com:443":                "https://",
		"ftp://gitlab.example.com":              "https://",
		"https:gitlab.example.com":              "no host",
		"https://":                              "no host",
		"https://:443":                          "no host",
		"https:///path":                         "no host",
		"https://user:SENTINEL@h":               "user information",
		"https://user:SENTINEL%zz@h":            "malformed",
		"https://@h":                            "user information",
		"https://h?private_token=SENTINEL":      "query",
		"https://h?":                            "query",
		"https://h/#x":                          "fragment",
		"https://h#":                            "fragment",
		" https://h":                            "white space",
		"https://h/a b":                         "white space",
		"https://h\n":                           "white space",
		"https://h:0":                           "port",
		"https://h:65536":                       "port",
		"https://h:port":                        "malformed",
		"https://gitläb.example.com":            "xn--",
		"https://git$lab":                       "xn--",
		"https://[fe80::1%25eth0]":              "IPv6",
		"https://[::g]":                         "malformed",
		"https://h/api/v4":                      "leave /api/v4 out",
		"https://h/gitlab/api/v4/":              "leave /api/v4 out",
		"https://h/api/v4/admin/clusters":       "leave /api/v4 out",
		"https://h/" + strings.Repeat("%", 100): "malformed",
	} {
		got, err := NormalizeURL(raw)
		if err == nil || got != "" || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "SENTINEL") {
			t.Errorf("%q: got %q, %v; want %q", raw, got, err, why)
		}
	}
}

func TestClusterURL(t *testing.T) {
	if got := ClusterURL("https://gitlab.example.com/gitlab", 11); got != "https://gitlab.example.com/gitlab/admin/clusters/11" {
		t.Error(got)
	}
}

func FuzzNormalizeURL(f *testing.F) {
	for _, seed := range []string{"https://GitLab.example.com:443/", "http://[::1]:80/a/../b//", "https://h/%2f/", "https://h/a%2Fb%20",
		"https://u:p@h", "https://h?x#y", "https:opaque", "https://h/api/v4/", "https://h//", "http://h:00080", "https://h/;a=b", "https://[::ffff:1.2.3.4]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := NormalizeURL(raw)
		if err != nil {
			return
		}
		if twice, err := NormalizeURL(once); err != nil || twice != once {
			t.Errorf("%q became %q, which became %q, %v", raw, once, twice, err)
		}
		u, err := url.Parse(once)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(once, "/") {
			t.Errorf("%q became %q", raw, once)
		}
		if _, err := NewClient(Options{URL: once, Token: NewToken("x")}); err != nil {
			t.Errorf("%q: %v", once, err)
		}
	})
}
