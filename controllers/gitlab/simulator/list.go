// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// countedRows is up to how many rows GitLab counts them in its headers.
const countedRows = 10_000

// list is GET /admin/clusters: offset pagination whose parameters are declared nowhere and thus never refused.
func (s *Simulator) list(c *call, p params) answer {
	size := perPage(p["per_page"])
	if size == 0 {
		return internalError()
	}
	page := max(1, leadingInteger(p["page"]))
	total := len(s.clusters.ids)
	pages := max(1, (total+size-1)/size)
	first, last := total, total
	if page <= pages {
		first = (page - 1) * size
		last = min(first+size, total)
	}
	rows := make([][]byte, 0, last-first)
	for _, id := range s.clusters.ids[first:last] {
		rows = append(rows, s.encoded(c, id))
	}
	body := slices.Concat([]byte{'['}, bytes.Join(rows, []byte{','}), []byte{']'})
	return answer{status: http.StatusOK, header: s.pagination(c, page, size, pages, total), body: body}
}

// pagination makes the headers of a page (lib/gitlab/pagination/offset_header_builder.rb).
func (s *Simulator) pagination(c *call, page, size, pages, total int) http.Header {
	header := http.Header{}
	next, previous := "", ""
	var links []string
	link := func(page int, relation string) {
		links = append(links, "<"+s.pageURL(c, page, size)+`>; rel="`+relation+`"`)
	}
	if page > 1 && page <= pages {
		previous = strconv.Itoa(page - 1)
		link(page-1, "prev")
	}
	if page < pages {
		next = strconv.Itoa(page + 1)
		link(page+1, "next")
	}
	link(1, "first")
	if total <= countedRows {
		link(pages, "last")
		header.Set("X-Total", strconv.Itoa(total))
		header.Set("X-Total-Pages", strconv.Itoa(pages))
	}
	header.Set("X-Per-Page", strconv.Itoa(size))
	header.Set("X-Page", strconv.Itoa(page))
	header.Set("X-Next-Page", next)
	header.Set("X-Prev-Page", previous)
	header.Set("Link", strings.Join(links, ", "))
	return header
}

// pageURL is a page's address at the external URL, with every parameter of the request, credentials included.
func (s *Simulator) pageURL(c *call, page, size int) string {
	query := url.Values{}
	for key, values := range c.query {
		query[key] = values
	}
	query.Set("page", strconv.Itoa(page))
	if !query.Has("per_page") {
		query.Set("per_page", strconv.Itoa(size))
	}
	return s.externalURL(c) + c.path + "?" + query.Encode()
}

// perPage is Kaminari's reading of per_page: 20 for garbage, at most 100, and 0 for a zero, which it trips over.
func perPage(raw any) int {
	text, _ := asString(raw)
	n := leadingInteger(raw)
	if text.null || text.is == "" || text.is[0] < '0' || text.is[0] > '9' {
		return 20
	}
	return min(n, 100)
}

// leadingInteger is Ruby's to_i: the number that a text begins with, 0 if none.
func leadingInteger(raw any) int {
	text, _ := asString(raw)
	digits := strings.TrimSpace(text.is)
	end := 0
	for end < len(digits) && (digits[end] >= '0' && digits[end] <= '9' || end == 0 && strings.ContainsRune("+-", rune(digits[0]))) {
		end++
	}
	n, err := strconv.Atoi(digits[:end])
	if err != nil && end > 1 {
		return math.MaxInt32
	}
	return min(n, math.MaxInt32)
}
