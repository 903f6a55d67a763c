// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/csv"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The columns of runs.csv after those that name the run. Times are in seconds, memory in MiB, CPU at rest in percent of
// one core.
const (
	createWall       = "create_s"
	readyMedian      = "ready_median_s"
	readyP99         = "ready_p99_s"
	createRequests   = "create_gitlab_requests"
	createWrites     = "create_kubernetes_writes"
	createReads      = "create_kubernetes_reads"
	createEvents     = "create_events"
	createCPU        = "create_cpu_s"
	createPeak       = "create_peak_mib"
	idleCPU          = "idle_cpu_percent"
	idleRequests     = "idle_requests_per_min"
	idleWrites       = "idle_writes_per_min"
	idleRSS          = "idle_rss_mib"
	restartTime      = "restart_s"
	restartRequests  = "restart_gitlab_requests"
	restartWrites    = "restart_kubernetes_writes"
	restartCPU       = "restart_cpu_s"
	restartPeak      = "restart_peak_mib"
	intervalRequests = "requests_per_list"
	intervalCPU      = "minutely_cpu_percent"
	driftMedian      = "drift_median_s"
	driftMost        = "drift_most_s"
)

var (
	named  = []string{"contestant", "n", "latency_ms", "round", "begun", "load_before"}
	values = []string{createWall, readyMedian, readyP99, createRequests, createWrites, createReads, createEvents, createCPU, createPeak,
		idleCPU, idleRequests, idleWrites, idleRSS, restartTime, restartRequests, restartWrites, restartCPU, restartPeak,
		intervalRequests, intervalCPU, driftMedian, driftMost}
)

// measurement is one run: a row of runs.csv.
type measurement struct {
	Contestant string
	N          int
	Latency    time.Duration
	Round      int
	Begun      time.Time
	// Load is the machine's load average before the run: high if something else was running.
	Load   float64
	values map[string]float64
}

func (m *measurement) set(column string, value float64) {
	if m.values == nil {
		m.values = map[string]float64{}
	}
	m.values[column] = value
}

// book holds the measurements and keeps them in a folder.
type book struct {
	dir  string
	rows []measurement
}

func openBook(dir string, add bool) (*book, error) {
	b := &book{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "performance"), 0o755); err != nil {
		return nil, err
	}
	if !add {
		return b, nil
	}
	file, err := os.Open(b.path())
	if os.IsNotExist(err) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, line := range lines[1:] {
		m, err := parseRow(lines[0], line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.path(), err)
		}
		b.rows = append(b.rows, m)
	}
	return b, nil
}

func (b *book) path() string { return filepath.Join(b.dir, "performance", "runs.csv") }

func parseRow(header, line []string) (m measurement, err error) {
	for i, column := range header {
		text := line[i]
		switch column {
		case "contestant":
			m.Contestant = text
		case "n":
			m.N, err = strconv.Atoi(text)
		case "latency_ms":
			var ms int
			ms, err = strconv.Atoi(text)
			m.Latency = time.Duration(ms) * time.Millisecond
		case "round":
			m.Round, err = strconv.Atoi(text)
		case "begun":
			m.Begun, err = time.Parse(time.RFC3339, text)
		case "load_before":
			m.Load, err = strconv.ParseFloat(text, 64)
		default:
			if text == "" {
				continue
			}
			var value float64
			value, err = strconv.ParseFloat(text, 64)
			m.set(column, value)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// write adds a row to the file.
func (b *book) write(m measurement) error {
	b.rows = append(b.rows, m)
	file, err := os.Create(b.path())
	if err != nil {
		return err
	}
	out := csv.NewWriter(file)
	lines := [][]string{append(slices.Clone(named), values...)}
	for _, row := range b.rows {
		line := []string{row.Contestant, strconv.Itoa(row.N), strconv.FormatInt(row.Latency.Milliseconds(), 10), strconv.Itoa(row.Round),
			row.Begun.UTC().Format(time.RFC3339), strconv.FormatFloat(row.Load, 'f', 2, 64)}
		for _, column := range values {
			text := ""
			if value, known := row.values[column]; known {
				text = strconv.FormatFloat(value, 'f', -1, 64)
				if value != float64(int64(value)) {
					text = strconv.FormatFloat(value, 'f', 3, 64)
				}
			}
			line = append(line, text)
		}
		lines = append(lines, line)
	}
	if err := out.WriteAll(lines); err != nil {
		return err
	}
	return file.Close()
}

// all are the values of a column for a contestant, in every round.
func (b *book) all(contestant string, n int, latency time.Duration, column string) (found []float64) {
	for _, row := range b.rows {
		if value, known := row.values[column]; known && row.Contestant == contestant && row.N == n && row.Latency == latency {
			found = append(found, value)
		}
	}
	return found
}

// median is that of all rounds; false if there is none.
func (b *book) median(contestant string, n int, latency time.Duration, column string) (float64, bool) {
	found := b.all(contestant, n, latency, column)
	if len(found) == 0 {
		return 0, false
	}
	return quantile(found, 0.5), true
}

func (b *book) sizes() []int {
	set := map[int]bool{}
	for _, row := range b.rows {
		set[row.N] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func (b *book) latencies() []time.Duration {
	set := map[time.Duration]bool{}
	for _, row := range b.rows {
		set[row.Latency] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// render writes the tables into performance.md and draws the plot.
func (b *book) render() error {
	if len(b.rows) == 0 {
		return nil
	}
	if err := b.draw(filepath.Join(b.dir, "performance", "performance.png")); err != nil {
		return err
	}
	path := filepath.Join(b.dir, "performance.md")
	page, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(path, []byte(between(string(page), b.tables())), fs.FileMode(0o644))
}

// What stands between these marks in performance.md is written by the benchmark.
const (
	begin = "<!-- measured by make bench: begin -->\n"
	end   = "<!-- measured by make bench: end -->\n"
)

func between(page, tables string) string {
	before, rest, found := strings.Cut(page, begin)
	if !found {
		return page + begin + tables + end
	}
	_, after, _ := strings.Cut(rest, end)
	return before + begin + tables + end + after
}
