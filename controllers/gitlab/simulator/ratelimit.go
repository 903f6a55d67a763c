// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"strconv"
	"time"
)

// RateLimit is the throttle of authenticated requests, counted per user in fixed windows that begin at multiples of the
// period since 1970 (lib/gitlab/rack_attack). The zero value is off.
type RateLimit struct {
	// Requests is how many of a window are answered.
	Requests int
	// Period is the window; whole seconds, 0 means an hour.
	Period time.Duration
	// Headers puts the RateLimit headers on every answer, as recent versions can.
	Headers bool
}

// window counts a user's requests since its number changed.
type window struct {
	number int64
	count  int
}

// throttle counts a request and returns the answer that refuses it, if it is one too many, and the headers to add.
func (s *Simulator) throttle(who caller) (*answer, http.Header) {
	limit := s.switches.limit
	if limit.Requests <= 0 || who.token == nil {
		return nil, nil
	}
	period := int64(max(limit.Period, time.Second) / time.Second)
	if limit.Period == 0 {
		period = 3600
	}
	now := s.options.Now().Unix()
	w := s.windows[who.user.ID]
	if w == nil || w.number != now/period {
		w = &window{number: now / period}
		s.windows[who.user.ID] = w
	}
	w.count++
	wait := period - now%period
	header := http.Header{
		"Ratelimit-Name":      {"throttle_authenticated_api"},
		"Ratelimit-Limit":     {strconv.FormatInt((int64(limit.Requests)*60+period-1)/period, 10)},
		"Ratelimit-Observed":  {strconv.Itoa(w.count)},
		"Ratelimit-Remaining": {strconv.Itoa(max(0, limit.Requests-w.count))},
		"Ratelimit-Reset":     {strconv.FormatInt(now+wait, 10)},
	}
	if w.count <= limit.Requests {
		if limit.Headers {
			return nil, header
		}
		return nil, nil
	}
	header.Set("RateLimit-ResetTime", time.Unix(now+wait, 0).UTC().Format(http.TimeFormat))
	header.Set("Retry-After", strconv.FormatInt(wait, 10))
	header.Set("Content-Type", "text/plain")
	return &answer{status: http.StatusTooManyRequests, body: []byte("Retry later\n")}, header
}
