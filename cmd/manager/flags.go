// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// flags are the manager's settings. Their meaning and defaults stand in --help.
type flags struct {
	syncInterval      time.Duration
	maxConcurrent     int
	gitlabTimeout     time.Duration
	gitlabQPS         float64
	gitlabBurst       int
	createSettleTime  time.Duration
	watchNamespaces   []string
	watchSelector     labels.Selector
	leaderElect       bool
	leaderNamespace   string
	leaderID          string
	metricsAddress    string
	metricsSecure     bool
	healthAddress     string
	version           bool
	zap               zap.Options
	namespaces, label string
}

// parseFlags reads the command line. flag.ErrHelp means that help was asked for and written to out; any other error is
// one clear line.
func parseFlags(args []string, out io.Writer) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("manager", flag.ContinueOnError)
	set.SetOutput(io.Discard) // a bad flag is told in one line, without the usage
	set.DurationVar(&f.syncInterval, "sync-interval", 10*time.Minute,
		"How often each GitLab's clusters are listed to find drift, 1s or more; stalled objects are looked at every six intervals.")
	set.IntVar(&f.maxConcurrent, "max-concurrent-reconciles", 10, "How many objects are worked on at once.")
	set.DurationVar(&f.gitlabTimeout, "gitlab-timeout", 30*time.Second, "How long one request to GitLab may take as a whole.")
	set.Float64Var(&f.gitlabQPS, "gitlab-qps", 0,
		"Most requests per second to one GitLab with one token; 0 means no limit but what GitLab's RateLimit headers ask.")
	set.IntVar(&f.gitlabBurst, "gitlab-burst", 0, "How many requests may exceed --gitlab-qps at once; 0 means as many as one second's.")
	set.DurationVar(&f.createSettleTime, "create-settle-time", 90*time.Second,
		"How long after a lost answer GitLab may still add the cluster; only then is another one added.")
	set.StringVar(&f.namespaces, "watch-namespaces", "", "Comma-separated namespaces to watch; empty means all.")
	set.StringVar(&f.label, "watch-label-selector", "", "Only objects with these labels are managed; for several managers that share a fleet.")
	set.BoolVar(&f.leaderElect, "leader-elect", false, "Work only while holding the lease, so that several replicas can run.")
	set.StringVar(&f.leaderNamespace, "leader-election-namespace", "", "Namespace of the lease; the manager's own if empty.")
	set.StringVar(&f.leaderID, "leader-election-id", "",
		"Name of the lease; if empty it follows from --watch-label-selector and --watch-namespaces, so that shards do not block each other.")
	set.StringVar(&f.metricsAddress, "metrics-bind-address", ":8443", "Where metrics are served; 0 means nowhere.")
	set.BoolVar(&f.metricsSecure, "metrics-secure", true, "Serve metrics over TLS, to those alone who may get /metrics.")
	set.StringVar(&f.healthAddress, "health-probe-bind-address", ":8081", "Where /healthz and /readyz are served; 0 means nowhere.")
	set.BoolVar(&f.version, "version", false, "Print the version and exit.")
	f.zap.BindFlags(set)
	config.RegisterFlags(set)

	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			var usage bytes.Buffer
			set.SetOutput(&usage)
			set.PrintDefaults()
			fmt.Fprintf(out, "manager keeps GitLabInstanceCluster objects and GitLab's instance clusters equal.\n\nFlags:\n%s", usage.String())
		}
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q; all settings are flags, see --help", set.Arg(0))
	}
	return f, f.check()
}

// check refuses values that cannot work, and fills in those that follow from others.
func (f *flags) check() error {
	for _, bound := range []struct {
		broken bool
		says   string
	}{
		{f.syncInterval < time.Second, fmt.Sprintf("--sync-interval is %v; it must be 1s or more", f.syncInterval)},
		{f.maxConcurrent < 1, fmt.Sprintf("--max-concurrent-reconciles is %d; it must be 1 or more", f.maxConcurrent)},
		{f.gitlabTimeout <= 0, fmt.Sprintf("--gitlab-timeout is %v; it must be more than 0", f.gitlabTimeout)},
		{!(f.gitlabQPS >= 0), fmt.Sprintf("--gitlab-qps is %v; it must be 0 or more", f.gitlabQPS)},
		{f.gitlabBurst < 0, fmt.Sprintf("--gitlab-burst is %d; it must be 0 or more", f.gitlabBurst)},
		{f.createSettleTime < 0, fmt.Sprintf("--create-settle-time is %v; it must be 0 or more", f.createSettleTime)},
	} {
		if bound.broken {
			return errors.New(bound.says)
		}
	}
	var err error
	if f.watchSelector, err = labels.Parse(f.label); err != nil {
		return fmt.Errorf("--watch-label-selector %q cannot be read: %w", f.label, err)
	}
	for namespace := range strings.SplitSeq(f.namespaces, ",") {
		if namespace = strings.TrimSpace(namespace); namespace == "" {
			continue
		}
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return fmt.Errorf("--watch-namespaces: %q is not the name of a namespace: %s", namespace, problems[0])
		}
		f.watchNamespaces = append(f.watchNamespaces, namespace)
	}
	slices.Sort(f.watchNamespaces)
	f.watchNamespaces = slices.Compact(f.watchNamespaces)
	if f.leaderID == "" {
		f.leaderID = leaseName(f.watchSelector.String(), f.watchNamespaces)
	}
	return nil
}

// leaseName is the same for managers that watch the same objects, and different for shards.
func leaseName(selector string, namespaces []string) string {
	const base = "gitlab-instance-cluster-operator"
	if selector == "" && len(namespaces) == 0 {
		return base
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s\n%s", selector, strings.Join(namespaces, ","))
	return fmt.Sprintf("%s-%016x", base, hash.Sum64())
}
