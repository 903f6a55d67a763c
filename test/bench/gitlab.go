// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// entry is a request in the simulator's journal.
type entry struct {
	Seq       int64     `json:"seq"`
	Method    string    `json:"method"`
	Query     string    `json:"query"`
	Endpoint  string    `json:"endpoint"`
	UserAgent string    `json:"user_agent"`
	ClusterID int64     `json:"cluster_id"`
	Began     time.Time `json:"began"`
}

// counts are the requests that the simulated GitLab has had, by endpoint.
func (r *run) counts() (counts map[string]int, err error) {
	return counts, r.ask(http.MethodGet, "/-/simulator/counts", nil, &counts)
}

// requests is the sum of the counts.
func (r *run) requests() (int, error) {
	counts, err := r.counts()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum, err
}

// journal returns the requests after number since.
func (r *run) journal(since int64) ([]entry, error) {
	var answer struct{ Entries []entry }
	err := r.ask(http.MethodGet, fmt.Sprintf("/-/simulator/journal?since=%d", since), nil, &answer)
	return answer.Entries, err
}

// clusters are the ids of up to a hundred clusters.
func (r *run) clusters() ([]int64, error) {
	var rows []struct{ ID int64 }
	if err := r.ask(http.MethodGet, "/api/v4/admin/clusters?per_page=100", nil, &rows); err != nil {
		return nil, err
	}
	var ids []int64
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	return ids, nil
}

// editor is the User-Agent of the benchmark's own requests.
const editor = "bench-editor"

// change changes a cluster as an administrator would in GitLab's pages.
func (r *run) change(id int64, domain string) error {
	return r.ask(http.MethodPut, fmt.Sprintf("/api/v4/admin/clusters/%d", id), map[string]any{"domain": domain}, nil)
}

func (r *run) ask(method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(r.ctx, 30*time.Second)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.gitLab+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	request.Header.Set("User-Agent", editor)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || into == nil && response.StatusCode < 300 {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return json.Unmarshal(text, into)
}
