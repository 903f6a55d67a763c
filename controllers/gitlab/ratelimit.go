// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RateLimit is what GitLab says of its throttle (lib/gitlab/rack_attack/request_throttle_data.rb).
type RateLimit struct {
	// Known is false if the answer said nothing, as is usual.
	Known bool
	// Limit is in requests per minute, whatever the length of the window.
	Limit int
	// Remaining is what is left of the window.
	Remaining int
	// Reset is the end of the window, by our clock.
	Reset time.Time
}

const (
	// defaultRetryAfter is for a 429 that does not say.
	defaultRetryAfter = time.Minute
	// maxRetryAfter bounds what a broken header can do; GitLab's windows are an hour.
	maxRetryAfter = 24 * time.Hour
)

func readRateLimit(header http.Header, now time.Time) RateLimit {
	limit, okLimit := natural(header.Get("RateLimit-Limit"))
	remaining, okRemaining := natural(header.Get("RateLimit-Remaining"))
	reset, okReset := untilReset(header, now)
	if !okLimit || !okRemaining || !okReset {
		return RateLimit{}
	}
	return RateLimit{Known: true, Limit: int(limit), Remaining: int(remaining), Reset: now.Add(reset)}
}

// readRetryAfter is how long to keep away after a 429 or 503.
func readRetryAfter(status int, header http.Header, now time.Time) time.Duration {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return 0
	}
	wait, known := untilRetry(header, now)
	if !known {
		wait, known = untilReset(header, now)
	}
	switch {
	case status == http.StatusServiceUnavailable:
		return wait
	case !known:
		return defaultRetryAfter
	}
	return max(wait, time.Second)
}

func untilRetry(header http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, ok := natural(text); ok {
		return clamp(float64(seconds)), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return clamp(at.Sub(serverTime(header, now)).Seconds()), true
}

func untilReset(header http.Header, now time.Time) (time.Duration, bool) {
	reset, ok := natural(header.Get("RateLimit-Reset"))
	if !ok {
		return 0, false
	}
	// GitLab sends Unix time; gateways before it may send the seconds that are left.
	if reset < 1e9 {
		return clamp(float64(reset)), true
	}
	return clamp(float64(reset) - float64(serverTime(header, now).Unix())), true
}

// serverTime is now by the clock that the answer's other times are of.
func serverTime(header http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		return at
	}
	return now
}

func natural(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n >= 0
}

func clamp(seconds float64) time.Duration {
	return time.Duration(min(max(seconds, 0), maxRetryAfter.Seconds()) * float64(time.Second))
}
