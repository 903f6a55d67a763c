// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Entry is one request. It is written at the request's arrival and completed at its end.
type Entry struct {
	Seq    int64
	Method string
	// Path is below the relative URL root; Query is without credentials.
	Path  string
	Query string
	// Header is without credentials.
	Header http.Header
	// Body is as sent, with the cluster tokens that it holds.
	Body []byte
	// Endpoint is list, get, add, edit or delete for the clusters API, the path's last words for others, "" for none.
	Endpoint string
	// Token is the name of the token used, never its value; "" if it is unknown.
	Token string
	// Credentials says that it carried a token, known or not: a host that should never see one shows it here.
	Credentials bool
	// ClusterID is the cluster that was named or added; 0 if none.
	ClusterID int64
	// Handled says that GitLab itself saw the request; Committed that it changed a cluster, at CommittedAt.
	Handled     bool
	Committed   bool
	CommittedAt time.Time
	// Status is that of the answer sent or tried; 0 if the connection was dropped without one.
	Status int
	// Lost says that the answer did not, or not wholly, reach the client.
	Lost bool
	// Fault names the faults that hit it, "" for none.
	Fault string
	// Began and Ended are the arrival and the end of the exchange; Ended is zero while it goes on.
	Began time.Time
	Ended time.Time
}

// UserAgent is the client's name for itself.
func (e Entry) UserAgent() string { return e.Header.Get("User-Agent") }

// Write tells whether the request wants to change something.
func (e Entry) Write() bool {
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, e.Method)
}

type journal struct {
	mu      sync.Mutex
	size    int
	seq     int64
	entries []*Entry
	dropped int64
	counts  map[string]int
	waiters map[*waiter]struct{}
}

type waiter struct {
	match func(Entry) bool
	found chan Entry
}

func newJournal(size int) *journal {
	return &journal{size: size, counts: map[string]int{}, waiters: map[*waiter]struct{}{}}
}

// begin writes an arrival down.
func (j *journal) begin(e *Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	// A fifth is dropped at a time, so that a full journal does not move on every request.
	if len(j.entries) >= j.size {
		n := max(1, j.size/5)
		j.entries = slices.Delete(j.entries, 0, n)
		j.dropped += int64(n)
	}
	j.entries = append(j.entries, e)
	j.counts[e.Endpoint]++
	j.tell(e)
}

// update changes an entry that began.
func (j *journal) update(e *Entry, change func(*Entry)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(e)
	j.tell(e)
}

func (j *journal) tell(e *Entry) {
	for w := range j.waiters {
		if w.match(*e) {
			w.found <- *e
			delete(j.waiters, w)
		}
	}
}

// Journal returns the requests in the order of their arrival.
func (s *Simulator) Journal() []Entry {
	return s.entriesWhere(func(Entry) bool { return true })
}

// Writes returns the requests that wanted to change something.
func (s *Simulator) Writes() []Entry { return s.entriesWhere(Entry.Write) }

func (s *Simulator) entriesWhere(match func(Entry) bool) []Entry {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	found := []Entry{}
	for _, e := range j.entries {
		if match(*e) {
			found = append(found, *e)
		}
	}
	return found
}

// Count counts the requests of a method whose path matches a regular expression; "" means any.
func (s *Simulator) Count(method, path string) int {
	expression := regexp.MustCompile(path)
	return len(s.entriesWhere(func(e Entry) bool {
		return (method == "" || e.Method == method) && expression.MatchString(e.Path)
	}))
}

// Counts returns the number of requests per endpoint since the last reset, unbounded by the journal's size.
func (s *Simulator) Counts() map[string]int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	counts := map[string]int{}
	for endpoint, n := range s.journal.counts {
		counts[endpoint] = n
	}
	return counts
}

// ResetJournal forgets all entries and counts; numbers go on.
func (s *Simulator) ResetJournal() {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries, j.dropped = nil, 0
	clear(j.counts)
}

// Wait returns the first entry that matches, one already written or the first to come. The function is asked again each
// time an entry changes, so it may ask for Committed or for a non-zero Ended; it must not call the simulator.
func (s *Simulator) Wait(ctx context.Context, match func(Entry) bool) (Entry, error) {
	j := s.journal
	j.mu.Lock()
	for _, e := range j.entries {
		if match(*e) {
			defer j.mu.Unlock()
			return *e, nil
		}
	}
	w := &waiter{match: match, found: make(chan Entry, 1)}
	j.waiters[w] = struct{}{}
	j.mu.Unlock()
	select {
	case e := <-w.found:
		return e, nil
	case <-ctx.Done():
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.waiters, w)
		return Entry{}, ctx.Err()
	}
}
