// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// NormalizeURL gives all spellings of a GitLab's address one form: scheme and host in lower case, no default port, no
// trailing slash, the path of a relative URL install kept. The error says what to change and does not quote the
// address, which may hold a password.
func NormalizeURL(raw string) (string, error) {
	if strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "", errors.New("the URL has white space or control characters in it")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("the URL is malformed: write it like https://gitlab.example.com")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("the URL must begin with https:// or http://")
	case u.User != nil:
		return "", errors.New("the URL has user information (user:password@) in it: remove it")
	case u.Opaque != "" || u.Hostname() == "":
		return "", errors.New("the URL has no host")
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("the URL has a query (?…): remove it")
	case strings.Contains(raw, "#"):
		return "", errors.New("the URL has a fragment (#…): remove it")
	}
	host, err := normalizeHost(u)
	if err != nil {
		return "", err
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if strings.HasSuffix(path, "/api/v4") || strings.Contains(path, "/api/v4/") {
		return "", errors.New("the URL must be that of GitLab itself: leave /api/v4 out")
	}
	return u.Scheme + "://" + host + path, nil
}

func normalizeHost(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return "", errors.New("the URL's host is not a valid IPv6 address without a zone")
		}
		host = addr.String()
	} else if strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	}) {
		return "", errors.New("the URL's host may only have letters, digits, '-', '_' and '.': write other names in their xn-- form")
	}
	port := 0
	if u.Port() != "" {
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || n == 0 {
			return "", errors.New("the URL's port must be between 1 and 65535")
		}
		port = int(n)
	}
	if port != 0 && port != defaultPort(u.Scheme) {
		return net.JoinHostPort(host, strconv.Itoa(port)), nil
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]", nil
	}
	return host, nil
}

func defaultPort(scheme string) int {
	if scheme == "http" {
		return 80
	}
	return 443
}

// ClusterURL is the page of a cluster in GitLab's admin area, for people. base is as NormalizeURL returns it.
func ClusterURL(base string, id int64) string {
	return base + "/admin/clusters/" + strconv.FormatInt(id, 10)
}
