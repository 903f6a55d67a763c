// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// controlRoot is where other processes look inside and pull strings; GitLab itself has nothing there.
//
//	GET    /-/simulator/journal?since=N             requests after number N, newest last, cluster tokens left out
//	DELETE /-/simulator/journal                     forget them
//	GET    /-/simulator/counts                      requests per endpoint
//	GET    /-/simulator/clusters/ID/token-sha256    SHA-256 of the token that a cluster has, in hex
//	GET, PATCH /-/simulator/switches                see switchesBody
//	POST   /-/simulator/projects {"id": 42}         a project that may manage clusters
//	DELETE /-/simulator/projects/ID
//	GET, POST, DELETE /-/simulator/faults           see faultBody; POST answers the fault's number, DELETE removes all
//	POST   /-/simulator/faults/NUMBER/release
//	DELETE /-/simulator/faults/NUMBER
const controlRoot = "/-/simulator/"

// control answers a request to a control path, below the relative URL root or beside it, and tells whether it was one.
func (s *Simulator) control(w http.ResponseWriter, r *http.Request) bool {
	base := ""
	if !strings.HasPrefix(r.URL.Path, controlRoot) {
		base = s.options.BasePath
	}
	if !strings.HasPrefix(r.URL.Path, base+controlRoot) {
		return false
	}
	http.StripPrefix(base, s.controls).ServeHTTP(w, r)
	return true
}

func (s *Simulator) newControls() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/simulator/journal", s.showJournal)
	mux.HandleFunc("DELETE /-/simulator/journal", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetJournal()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /-/simulator/counts", func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, s.Counts())
	})
	mux.HandleFunc("GET /-/simulator/clusters/{id}/token-sha256", s.showTokenDigest)
	mux.HandleFunc("GET /-/simulator/switches", func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, s.switchesBody())
	})
	mux.HandleFunc("PATCH /-/simulator/switches", s.pullSwitches)
	mux.HandleFunc("POST /-/simulator/projects", s.postProject)
	mux.HandleFunc("DELETE /-/simulator/projects/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
		s.RemoveProject(id)
		w.WriteHeader(http.StatusNoContent)
	})
	s.faultControls(mux)
	return mux
}

// journalEntry is an Entry for eyes outside the process.
type journalEntry struct {
	Seq       int64     `json:"seq"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Query     string    `json:"query"`
	Endpoint  string    `json:"endpoint"`
	Token     string    `json:"token"`
	UserAgent string    `json:"user_agent"`
	Body      string    `json:"body"`
	ClusterID int64     `json:"cluster_id"`
	Status    int       `json:"status"`
	Handled   bool      `json:"handled"`
	Committed bool      `json:"committed"`
	Lost      bool      `json:"lost"`
	Fault     string    `json:"fault"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
}

func (s *Simulator) showJournal(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	entries := []journalEntry{}
	for _, e := range s.entriesWhere(func(e Entry) bool { return e.Seq > since }) {
		entries = append(entries, journalEntry{
			Seq: e.Seq, Method: e.Method, Path: e.Path, Query: e.Query, Endpoint: e.Endpoint, Token: e.Token,
			UserAgent: e.UserAgent(), Body: withoutTokens(e.Header.Get("Content-Type"), e.Body), ClusterID: e.ClusterID,
			Status: e.Status, Handled: e.Handled, Committed: e.Committed, Lost: e.Lost, Fault: e.Fault,
			Began: e.Began, Ended: e.Ended,
		})
	}
	s.journal.mu.Lock()
	dropped := s.journal.dropped
	s.journal.mu.Unlock()
	show(w, http.StatusOK, map[string]any{"entries": entries, "dropped": dropped, "counts": s.Counts()})
}

func (s *Simulator) showTokenDigest(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	cluster, ok := s.Cluster(id)
	if !ok {
		http.Error(w, "no such cluster", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%x\n", sha256.Sum256([]byte(cluster.Token)))
}

func (s *Simulator) postProject(w http.ResponseWriter, r *http.Request) {
	var p Project
	if !accept(w, r, &p) {
		return
	}
	if p.ID <= 0 {
		http.Error(w, "id must be a positive number", http.StatusBadRequest)
		return
	}
	s.AddProject(p)
	w.WriteHeader(http.StatusCreated)
}

// switchesBody is the state of the switches; in a PATCH only what is given changes.
type switchesBody struct {
	Feature            *bool          `json:"feature,omitempty"`
	APIRemoved         *bool          `json:"api_removed,omitempty"`
	AdminMode          *bool          `json:"admin_mode,omitempty"`
	ReadOnly           *bool          `json:"read_only,omitempty"`
	Maintenance        *bool          `json:"maintenance,omitempty"`
	AllowLocalRequests *bool          `json:"allow_local_requests,omitempty"`
	Latency            *duration      `json:"latency,omitempty"`
	RateLimit          *rateLimitBody `json:"rate_limit,omitempty"`
}

type rateLimitBody struct {
	Requests int      `json:"requests"`
	Period   duration `json:"period"`
	Headers  bool     `json:"headers"`
}

func (s *Simulator) switchesBody() switchesBody {
	w := s.current()
	return switchesBody{
		Feature: &w.feature, APIRemoved: &w.removed, AdminMode: &w.adminMode, ReadOnly: &w.readOnly,
		Maintenance: &w.maintenance, AllowLocalRequests: &w.outbound.AllowLocal, Latency: (*duration)(&w.latency),
		RateLimit: &rateLimitBody{w.limit.Requests, duration(w.limit.Period), w.limit.Headers},
	}
}

func (s *Simulator) pullSwitches(w http.ResponseWriter, r *http.Request) {
	var b switchesBody
	if !accept(w, r, &b) {
		return
	}
	s.set(func(w *switches) {
		replace(&w.feature, b.Feature)
		replace(&w.removed, b.APIRemoved)
		replace(&w.adminMode, b.AdminMode)
		replace(&w.readOnly, b.ReadOnly)
		replace(&w.maintenance, b.Maintenance)
		replace(&w.outbound.AllowLocal, b.AllowLocalRequests)
		replace(&w.latency, (*time.Duration)(b.Latency))
	})
	if b.RateLimit != nil {
		s.SetRateLimit(RateLimit{b.RateLimit.Requests, time.Duration(b.RateLimit.Period), b.RateLimit.Headers})
	}
	show(w, http.StatusOK, s.switchesBody())
}

func replace[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// duration is written as in 1.5s.
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// accept reads a control request's JSON; what is not known is refused, for a fault misspelt would never strike.
func accept(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func show(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(encode(body), '\n'))
}
