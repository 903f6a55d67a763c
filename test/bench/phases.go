// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// phases takes the contestant from its start over the creation of all objects to rest, a restart and drift.
func (r *run) phases() error {
	if err := r.launch(); err != nil {
		return err
	}
	r.Cleanup(func() { r.contestant.stop() })
	if _, err := r.quiet("its start"); err != nil {
		return err
	}
	if err := r.creation(); err != nil || !r.idle {
		return err
	}
	if _, err := r.quiet("the creation"); err != nil {
		return err
	}
	if err := r.rest(); err != nil {
		return err
	}
	if err := r.restart(); err != nil {
		return err
	}
	if !r.drift && r.m.Contestant != manager {
		return nil
	}
	return r.drifting()
}

// creation creates all objects and measures until the last is Ready.
func (r *run) creation() error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	seen, err := r.watchReady(ctx)
	if err != nil {
		return err
	}
	mark := r.cp.Audit.Now(r)
	before, err := r.contestant.cpu()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	created := make(map[string]time.Time, r.m.N)
	began := time.Now()
	failed := make(chan error, 1)
	go func() {
		failed <- r.createAll("objects", func(i int) error {
			asked := time.Now()
			if err := r.kube.Create(ctx, r.newObject(i)); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			created[objectName(i)] = asked
			if r.m.Contestant == floor {
				_, err := fmt.Fprintln(r.contestant.stdin, objectName(i))
				return err
			}
			return nil
		})
	}()
	if err := r.awaitReady(seen, failed); err != nil {
		return err
	}
	wall := time.Since(began)
	used, err := r.contestant.cpu()
	if err != nil {
		return err
	}
	_, highest, err := r.contestant.memory()
	if err != nil {
		return err
	}
	var waits []float64
	for name, at := range seen.at {
		waits = append(waits, at.Sub(created[name]).Seconds())
	}
	r.m.set(createWall, wall.Seconds())
	r.m.set(readyMedian, quantile(waits, 0.5))
	r.m.set(readyP99, quantile(waits, 0.99))
	r.m.set(createCPU, (used - before).Seconds())
	r.m.set(createPeak, highest)
	r.say("all Ready after %s; median %.3fs, p99 %.3fs; CPU %s; peak %.0f MiB", wall.Round(time.Millisecond),
		quantile(waits, 0.5), quantile(waits, 0.99), used-before, highest)
	return r.creationCounts(mark)
}

// awaitReady shows progress until all objects are Ready.
func (r *run) awaitReady(seen *readiness, failed <-chan error) error {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-seen.all:
			return seen.err
		case err := <-failed:
			if err != nil {
				return err
			}
			failed = nil
		case <-ticker.C:
			r.say("%d of %d objects are Ready", seen.count(), r.m.N)
			if err := r.contestant.died(); err != nil {
				return err
			}
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// creationCounts reads what the creation cost GitLab and Kubernetes.
func (r *run) creationCounts(mark controlplane.Mark) error {
	requests, err := r.requests()
	if err != nil {
		return err
	}
	r.m.set(createRequests, float64(requests))
	var writes, reads, events int
	for _, request := range r.cp.Audit.Since(r, mark, controlplane.By(r.user)) {
		switch {
		case request.Resource == "events":
			events++
		case request.Bookkeeping():
		case request.Write():
			writes++
		case request.Verb == "get":
			reads++
		}
	}
	r.m.set(createWrites, float64(writes))
	r.m.set(createReads, float64(reads))
	r.m.set(createEvents, float64(events))
	r.say("%d requests to GitLab; to Kubernetes %d writes, %d reads, %d events", requests, writes, reads, events)
	return nil
}

// window is how long the fleet is watched at rest.
const window = time.Minute

// rest measures the contestant while nothing happens.
func (r *run) rest() error {
	cost, err := r.during(window)
	if err != nil {
		return err
	}
	now, _, err := r.contestant.memory()
	if err != nil {
		return err
	}
	r.m.set(idleCPU, 100*cost.cpu.Seconds()/cost.time.Seconds())
	r.m.set(idleRequests, float64(cost.requests)/cost.time.Minutes())
	r.m.set(idleWrites, float64(cost.writes)/cost.time.Minutes())
	r.m.set(idleRSS, now)
	r.say("at rest: %.2f %% of a core, %d requests and %d writes in %s, %.0f MiB", 100*cost.cpu.Seconds()/cost.time.Seconds(),
		cost.requests, cost.writes, cost.time.Round(time.Second), now)
	return nil
}

// restart ends the contestant, starts it again with an interval of a minute between lists, and measures until it rests.
func (r *run) restart() error {
	r.contestant.stop()
	mark := r.cp.Audit.Now(r)
	before, err := r.requests()
	if err != nil {
		return err
	}
	var args []string
	if r.m.Contestant == manager {
		args = []string{"--sync-interval=1m"}
	}
	if err := r.launch(args...); err != nil {
		return err
	}
	took, err := r.quiet("the restart")
	if err != nil {
		return err
	}
	after, err := r.requests()
	if err != nil {
		return err
	}
	cpu, err := r.contestant.cpu()
	if err != nil {
		return err
	}
	_, highest, err := r.contestant.memory()
	if err != nil {
		return err
	}
	writes := len(r.cp.Audit.Writes(r, mark, r.user))
	r.m.set(restartTime, took.Seconds())
	r.m.set(restartRequests, float64(after-before))
	r.m.set(restartWrites, float64(writes))
	r.m.set(restartCPU, cpu.Seconds())
	r.m.set(restartPeak, highest)
	r.say("restart: at rest after %.1fs, %d requests, %d writes, CPU %s, peak %.0f MiB", took.Seconds(), after-before, writes, cpu, highest)
	return nil
}

// cost is what the contestant used in some time.
type cost struct {
	time, cpu        time.Duration
	requests, writes int
}

func (r *run) during(d time.Duration) (c cost, err error) {
	mark := r.cp.Audit.Now(r)
	before, err := r.requests()
	if err != nil {
		return c, err
	}
	used, err := r.contestant.cpu()
	if err != nil {
		return c, err
	}
	began := time.Now()
	r.say("watching for %s", d)
	if err := sleep(r.ctx, d); err != nil {
		return c, err
	}
	c.time = time.Since(began)
	after, err := r.contestant.cpu()
	if err != nil {
		return c, err
	}
	now, err := r.requests()
	if err != nil {
		return c, err
	}
	c.cpu, c.requests, c.writes = after-used, now-before, len(r.cp.Audit.Writes(r, mark, r.user))
	return c, nil
}

// quiet waits until the contestant has rested for three seconds, using less than a twentieth of a core and asking
// GitLab for nothing, and returns after how long that began. A minute is the most it waits.
func (r *run) quiet(after string) (time.Duration, error) {
	began := time.Now()
	resting := began
	before, err := r.contestant.cpu()
	if err != nil {
		return 0, err
	}
	asked, err := r.requests()
	if err != nil {
		return 0, err
	}
	for time.Since(resting) < 3*time.Second && time.Since(began) < time.Minute {
		if err := sleep(r.ctx, 500*time.Millisecond); err != nil {
			return 0, err
		}
		if err := r.contestant.died(); err != nil {
			return 0, fmt.Errorf("after %s: %w", after, err)
		}
		used, err := r.contestant.cpu()
		if err != nil {
			return 0, err
		}
		requests, err := r.requests()
		if err != nil {
			return 0, err
		}
		if used-before > 25*time.Millisecond || requests != asked {
			resting = time.Now()
		}
		before, asked = used, requests
	}
	return resting.Sub(began), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// quantile is the smallest value that at least a share q of the values does not exceed.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(at, 1), len(sorted))-1]
}
