// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the shipped manager beside a controller on crossplane-runtime's managed reconciler and a bare
// loop, on a real API server and against a simulated GitLab, each in a process of its own. `make bench` runs it;
// docs/performance.md says what it measures and shows the outcome.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// plan is what to measure.
type plan struct {
	sizes, idle, drift []int
	latencies          []time.Duration
	repeat             int
	only               []string
	out                string
	add, render        bool
}

func main() {
	ctrl.SetLogger(logr.Discard()) // what the control plane's start has to say is in its error
	p, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = p.run(ctx)
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "\nbench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*plan, error) {
	p := &plan{}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := set.String("n", "1,100,1000,10000", "numbers of objects")
	latencies := set.String("latency", "0,20ms", "how long the simulated GitLab waits before each answer")
	only := set.String("only", strings.Join(contestants, ","), "who is measured, in this order, in turns")
	idle := set.String("idle", "1000,10000", "numbers of objects with which the fleet is watched at rest and over a restart; "+
		"in the first round, with the last of the latencies")
	drift := set.String("drift", "1000", "numbers of objects of those in -idle with which clusters are changed in GitLab")
	set.IntVar(&p.repeat, "repeat", 1, "how often; with 10,000 objects and more always once")
	set.StringVar(&p.out, "out", "docs", "folder of performance.md and performance/")
	set.BoolVar(&p.add, "add", false, "add to the measurements in the folder instead of replacing them")
	set.BoolVar(&p.render, "render", false, "measure nothing; make table and plot of the measurements in the folder")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	var err error
	for text, into := range map[*string]*[]int{sizes: &p.sizes, idle: &p.idle, drift: &p.drift} {
		if *into, err = numbers(*text); err != nil {
			return nil, err
		}
	}
	for text := range strings.SplitSeq(*latencies, ",") {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, err
		}
		p.latencies = append(p.latencies, d)
	}
	for name := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(contestants, name) {
			return nil, fmt.Errorf("-only %s: there are %s", name, strings.Join(contestants, ", "))
		}
		p.only = append(p.only, name)
	}
	return p, nil
}

func numbers(text string) (all []int, err error) {
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of objects", word)
		}
		all = append(all, n)
	}
	return all, nil
}

// once is the number of objects from which on nothing is repeated.
const once = 10_000

// run takes the contestants in turns through every size and latency, and writes table and plot after each, so that an
// interrupted run leaves what it has.
func (p *plan) run(ctx context.Context) error {
	root, err := controlplane.Root()
	if err != nil {
		return err
	}
	if !filepath.IsAbs(p.out) {
		p.out = filepath.Join(root, p.out)
	}
	b, err := openBook(p.out, p.add || p.render)
	if err != nil {
		return err
	}
	if p.render {
		return b.render()
	}
	began := time.Now()
	for round := range p.repeat {
		for _, latency := range p.latencies {
			for _, n := range p.sizes {
				if round > 0 && n >= once {
					continue
				}
				for _, name := range p.only {
					r := &run{ctx: ctx, root: root, m: measurement{Contestant: name, N: n, Latency: latency, Round: round + 1, Begun: time.Now(), Load: load()}}
					if round == 0 && latency == p.latencies[len(p.latencies)-1] && name != floor {
						r.idle, r.drift = slices.Contains(p.idle, n), slices.Contains(p.drift, n)
					}
					fmt.Printf("\n[%s] %s, N = %d, latency %v, round %d of %d\n", time.Since(began).Round(time.Second), name, n, latency, round+1, p.repeat)
					failed := r.measure()
					if len(r.m.values) > 0 { // what was measured before the failure is as good as ever
						failed = errors.Join(failed, b.write(r.m))
					}
					if failed != nil {
						return errors.Join(failed, b.render())
					}
				}
			}
		}
	}
	fmt.Printf("\nmeasured in %s\n", time.Since(began).Round(time.Second))
	return b.render()
}

// load is the machine's load average over the last minute.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	value, _ := strconv.ParseFloat(first, 64) // 0 says as much as no answer
	return value
}
