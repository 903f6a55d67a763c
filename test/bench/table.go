// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tables are the measurements as Markdown.
func (b *book) tables() string {
	var t strings.Builder
	first, last := b.rows[0].Begun, b.rows[0].Begun
	rounds := map[string]int{}
	for _, row := range b.rows {
		if row.Begun.Before(first) {
			first = row.Begun
		}
		if row.Begun.After(last) {
			last = row.Begun
		}
		rounds[fmt.Sprintf("%d/%v", row.N, row.Latency)] = max(rounds[fmt.Sprintf("%d/%v", row.N, row.Latency)], row.Round)
	}
	fmt.Fprintf(&t, "\nMachine: %s. %d runs between %s and %s UTC; the load average before each is in the CSV.\n", machine(), len(b.rows),
		first.UTC().Format("2006-01-02 15:04"), last.UTC().Format("15:04"))
	fmt.Fprintf(&t, "\n### Creation\n\nMedians over the rounds; in parentheses the range of the wall time if there was more than one round.\n\n")
	fmt.Fprintln(&t, "| N | latency | who | rounds | wall time s | × floor | Ready median s | Ready p99 s | requests per object | Kubernetes writes per object | Kubernetes reads per object | CPU s | peak RSS MiB |")
	fmt.Fprintln(&t, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, n := range b.sizes() {
		for _, latency := range b.latencies() {
			for _, who := range contestants {
				b.creationRow(&t, who, n, latency)
			}
		}
	}
	fmt.Fprintf(&t, "\n### At rest\n\nThe manager with its default `--sync-interval` of 10 minutes in a minute without a list, and with `--sync-interval=1m` "+
		"(*one list a minute*); the controller on crossplane-runtime with its default poll of 1 minute.\n\n")
	fmt.Fprintln(&t, "| N | latency | who | CPU % of a core | with one list a minute | requests per minute | requests per list | Kubernetes writes per minute | RSS MiB |")
	fmt.Fprintln(&t, "|---|---|---|---|---|---|---|---|---|")
	b.rowsOf(&t, idleCPU, intervalCPU, idleRequests, intervalRequests, idleWrites, idleRSS)
	fmt.Fprintf(&t, "\n### Restart\n\n| N | latency | who | at rest after s | requests | Kubernetes writes | CPU s | peak RSS MiB |\n|---|---|---|---|---|---|---|---|\n")
	b.rowsOf(&t, restartTime, restartRequests, restartWrites, restartCPU, restartPeak)
	fmt.Fprintf(&t, "\n### Drift\n\nTen clusters changed in GitLab, one every six seconds; how long each change stays when both look once a minute.\n\n"+
		"| N | latency | who | median s | longest s |\n|---|---|---|---|---|\n")
	b.rowsOf(&t, driftMedian, driftMost)
	fmt.Fprintln(&t)
	return t.String()
}

func (b *book) creationRow(t *strings.Builder, who string, n int, latency time.Duration) {
	wall := b.all(who, n, latency, createWall)
	if len(wall) == 0 {
		return
	}
	cell := number(quantile(wall, 0.5))
	if len(wall) > 1 {
		cell += fmt.Sprintf(" (%s–%s)", number(quantile(wall, 0)), number(quantile(wall, 1)))
	}
	ratio := ""
	if least, ok := b.median(floor, n, latency, createWall); ok {
		ratio = fmt.Sprintf("%.2f", quantile(wall, 0.5)/least)
	}
	fmt.Fprintf(t, "| %s | %v | %s | %d | %s | %s |", thousands(n), latency, who, len(wall), cell, ratio)
	for _, column := range []string{readyMedian, readyP99, createRequests, createWrites, createReads, createCPU, createPeak} {
		value, _ := b.median(who, n, latency, column)
		switch column {
		case createRequests, createWrites, createReads:
			fmt.Fprintf(t, " %s |", strconv.FormatFloat(float64(int(value/float64(n)*1000+0.5))/1000, 'f', -1, 64))
		default:
			fmt.Fprintf(t, " %s |", number(value))
		}
	}
	fmt.Fprintln(t)
}

// rowsOf writes a row for each contestant, size and latency that has one of the columns.
func (b *book) rowsOf(t *strings.Builder, columns ...string) {
	for _, n := range b.sizes() {
		for _, latency := range b.latencies() {
			for _, who := range contestants {
				line, any := fmt.Sprintf("| %s | %v | %s |", thousands(n), latency, who), false
				for _, column := range columns {
					value, known := b.median(who, n, latency, column)
					any = any || known
					if known {
						line += " " + number(value) + " |"
					} else {
						line += " – |"
					}
				}
				if any {
					fmt.Fprintln(t, line)
				}
			}
		}
	}
}

// number has three significant digits, or all of an integer.
func number(v float64) string {
	switch {
	case v == float64(int64(v)) && v < 1e6:
		return thousands(int(v))
	case v >= 100:
		return thousands(int(v + 0.5))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func thousands(n int) string {
	if n >= 1000 {
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return strconv.Itoa(n)
}

// machine says what the figures were measured on.
func machine() string {
	model, memory := "", ""
	scan("/proc/cpuinfo", "model name", func(value string) { model = value })
	scan("/proc/meminfo", "MemTotal", func(value string) {
		if kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64); err == nil {
			memory = fmt.Sprintf("%.0f GiB of memory", kib/1024/1024)
		}
	})
	return fmt.Sprintf("%d cores (%s), %s, %s/%s, %s", runtime.NumCPU(), model, memory, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// scan finds a key of a file of lines "key: value".
func scan(path, key string, found func(string)) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			found(strings.TrimSpace(value))
			return
		}
	}
}
