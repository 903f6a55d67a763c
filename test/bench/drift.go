// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"
)

const (
	// drifts is how many clusters are changed, and driftPause the time between two of them: together an interval.
	drifts     = 10
	driftPause = 6 * time.Second
	// driftPatience is how long the last change may stay.
	driftPatience = 90 * time.Second
)

// drifting changes clusters in GitLab, evenly over a minute, and measures how long each change stays: both poll once a
// minute here. It also counts what one list costs. Without clusters to change, it counts alone.
func (r *run) drifting() error {
	ids, err := r.clusters()
	if err != nil {
		return err
	}
	ids = ids[:min(drifts, len(ids))]
	if !r.drift {
		ids = nil
	}
	entries, err := r.journal(0)
	if err != nil {
		return err
	}
	j := &journalReader{run: r, changed: map[int64]time.Time{}}
	if len(entries) > 0 {
		j.since = entries[len(entries)-1].Seq
	}
	used, err := r.contestant.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	r.say("changing %d clusters in GitLab", len(ids))
	for i := range drifts {
		if i < len(ids) {
			if err := r.change(ids[i], fmt.Sprintf("drift-%d.example.com", i)); err != nil {
				return err
			}
			j.changed[ids[i]] = time.Now()
		}
		if err := j.follow(driftPause); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(driftPatience); len(j.waits) < len(ids) && time.Now().Before(deadline); {
		if err := j.follow(time.Second); err != nil {
			return err
		}
	}
	if len(j.waits) < len(ids) {
		return fmt.Errorf("only %d of %d changes were put back", len(j.waits), len(ids))
	}
	after, err := r.contestant.cpu()
	if err != nil {
		return err
	}
	r.m.set(intervalCPU, 100*(after-used).Seconds()/time.Since(began).Seconds())
	if j.lists > 0 {
		r.m.set(intervalRequests, float64(j.pages)/float64(j.lists))
	}
	if len(ids) > 0 {
		r.m.set(driftMedian, quantile(j.waits, 0.5))
		r.m.set(driftMost, quantile(j.waits, 1))
	}
	r.say("with a list a minute: %.2f %% of a core, %d lists of %d pages in all, changes stayed for %.1f s", 100*(after-used).Seconds()/time.Since(began).Seconds(),
		j.lists, j.pages, j.waits)
	return nil
}

// journalReader follows the simulator's journal.
type journalReader struct {
	run     *run
	since   int64
	changed map[int64]time.Time
	waits   []float64
	// lists and pages are those of the contestant.
	lists, pages int
}

// follow reads the journal for d, often enough that nothing drops out of it.
func (j *journalReader) follow(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := sleep(j.run.ctx, min(time.Second, time.Until(end))); err != nil {
			return err
		}
		entries, err := j.run.journal(j.since)
		if err != nil {
			return err
		}
		for _, e := range entries {
			j.since = e.Seq
			j.take(e)
		}
	}
	return j.run.contestant.died()
}

func (j *journalReader) take(e entry) {
	if e.UserAgent == editor {
		return
	}
	switch e.Endpoint {
	case "list":
		j.pages++
		if strings.HasPrefix(e.Query, "page=1&") {
			j.lists++
		}
	case "edit":
		if at, ours := j.changed[e.ClusterID]; ours {
			j.waits = append(j.waits, e.Began.Sub(at).Seconds())
			delete(j.changed, e.ClusterID)
		}
	}
}
