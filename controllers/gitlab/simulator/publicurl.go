// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// urlParts is RFC 3986's own expression, which GitLab's URI library uses too: it takes nearly everything apart.
var urlParts = regexp.MustCompile(`^(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)`)

var (
	portDigits = regexp.MustCompile(`^\d{1,5}$`)
	hostBad    = regexp.MustCompile(`[<>{}/\\?#@"\pZ\s]`)
)

// blocked tells why GitLab would not call an address, "" if it would (gems/gitlab-http/lib/gitlab/http_v2/url_blocker.rb).
func (s *Simulator) blocked(address string) string {
	if strings.ContainsAny(address, "\r\n") {
		return "URI is invalid"
	}
	parts := urlParts.FindStringSubmatch(address)
	scheme, authority, path := parts[1], parts[2], parts[3]
	host, port, valid := splitAuthority(authority)
	if !valid || scheme != "" && host == "" && path == "" {
		return "URI is invalid"
	}
	if scheme != "http" && scheme != "https" {
		return "Only allowed schemes are http, https"
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(bare); err != nil && bare != "" {
		first, _ := firstRune(bare)
		if !unicode.IsLetter(first) && !unicode.IsNumber(first) {
			return "Hostname or IP address invalid"
		}
	}
	if len(bare) > 1024 {
		return "Host is too long (maximum is 1024 characters)"
	}
	return s.blockedHost(bare, port)
}

func (s *Simulator) blockedHost(host, port string) string {
	rule := s.switches.outbound
	addresses := s.resolve(host)
	if len(addresses) == 0 {
		if rule.DenyAll && !slices.Contains(rule.Allowlist, host) {
			return "Host cannot be resolved or invalid"
		}
		return ""
	}
	if allowed(rule.Allowlist, host, port, addresses[0]) {
		return ""
	}
	if rule.DenyAll {
		return "Requests to hosts and IP addresses not on the Allow List are denied"
	}
	if rule.AllowLocal {
		return ""
	}
	return localReason(addresses)
}

// resolve is getaddrinfo without a network: literal addresses in all their spellings, and the names that are set.
func (s *Simulator) resolve(host string) []netip.Addr {
	if host == "" {
		return []netip.Addr{netip.IPv4Unspecified()}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.WithZone("").Unmap()}
	}
	if a, ok := classicAddress(host); ok {
		return []netip.Addr{a}
	}
	return s.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
}

// localReason is the first rule of the strict setting that one of the addresses breaks.
func localReason(addresses []netip.Addr) string {
	own := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	rules := []struct {
		reason string
		breaks func(netip.Addr) bool
	}{
		{"Requests to localhost are not allowed", func(a netip.Addr) bool { return slices.Contains(own, a) }},
		{"Requests to loopback addresses are not allowed", netip.Addr.IsLoopback},
		{"Requests to the local network are not allowed", func(a netip.Addr) bool {
			return a.IsPrivate() || within(a, "fec0::/10", "fc00::/7")
		}},
		{"Requests to the link local network are not allowed", netip.Addr.IsLinkLocalUnicast},
		{"Requests to the shared address space are not allowed", func(a netip.Addr) bool {
			return within(a, "100.64.0.0/10")
		}},
		{"Requests to the limited broadcast address are not allowed", func(a netip.Addr) bool {
			return a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
		}},
	}
	for _, rule := range rules {
		if slices.ContainsFunc(addresses, rule.breaks) {
			return rule.reason
		}
	}
	return ""
}

func within(a netip.Addr, ranges ...string) bool {
	return slices.ContainsFunc(ranges, func(r string) bool { return netip.MustParsePrefix(r).Contains(a) })
}

// allowed tells whether the allowlist names a host, or the address that it has, with this port or without one.
func allowed(list []string, host, port string, address netip.Addr) bool {
	for _, entry := range list {
		name, entryPort, hasPort := strings.Cut(entry, ":")
		if strings.Count(entry, ":") > 1 {
			name, hasPort = entry, false
		}
		if hasPort && entryPort != port {
			continue
		}
		if strings.EqualFold(name, host) {
			return true
		}
		if a, err := netip.ParseAddr(name); err == nil && a.Unmap() == address {
			return true
		}
		if p, err := netip.ParsePrefix(name); err == nil && p.Contains(address) {
			return true
		}
	}
	return false
}

// splitAuthority takes user information and port off a host.
func splitAuthority(authority string) (host, port string, valid bool) {
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		authority = authority[at+1:]
	}
	host = authority
	if colon := strings.LastIndex(authority, ":"); colon > strings.LastIndex(authority, "]") {
		host, port = authority[:colon], authority[colon+1:]
		if port != "" && !portDigits.MatchString(port) {
			return "", "", false
		}
	}
	if host == "" && port != "" {
		return "", "", false
	}
	return host, port, !hostBad.MatchString(host)
}

// classicAddress reads IPv4 as inet_aton does: one to four numbers, decimal, octal or hexadecimal.
func classicAddress(text string) (netip.Addr, bool) {
	numbers := strings.Split(text, ".")
	if len(numbers) > 4 {
		return netip.Addr{}, false
	}
	var whole uint64
	for i, number := range numbers {
		if strings.ContainsAny(number, "_+-bBoO") && !strings.HasPrefix(strings.ToLower(number), "0x") {
			return netip.Addr{}, false
		}
		n, err := strconv.ParseUint(number, 0, 64)
		if err != nil {
			return netip.Addr{}, false
		}
		if i < len(numbers)-1 {
			if n > 255 {
				return netip.Addr{}, false
			}
			whole |= n << (24 - 8*i)
			continue
		}
		if n >= 1<<(32-8*i) {
			return netip.Addr{}, false
		}
		whole |= n
	}
	return netip.AddrFrom4([4]byte{byte(whole >> 24), byte(whole >> 16), byte(whole >> 8), byte(whole)}), true
}

func firstRune(text string) (rune, bool) {
	for _, r := range text {
		return r, true
	}
	return 0, false
}
