// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// asManager makes the test binary be the manager.
const asManager = "TEST_BE_THE_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(asManager) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// runManager runs the manager with these arguments to its end.
func runManager(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	command := exec.Command(self, args...)
	command.Env = append(os.Environ(), asManager+"=1")
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestRefusesEachBadFlagInOneLine(t *testing.T) {
	for _, test := range []struct{ arg, want string }{
		{"--nope", "-nope"},
		{"extra", `"extra"`},
		{"--sync-interval=999ms", "--sync-interval is 999ms; it must be 1s or more"},
		{"--sync-interval=-1h", "--sync-interval"},
		{"--sync-interval=often", "sync-interval"},
		{"--max-concurrent-reconciles=0", "--max-concurrent-reconciles is 0; it must be 1 or more"},
		{"--max-concurrent-reconciles=many", "max-concurrent-reconciles"},
		{"--gitlab-timeout=0", "--gitlab-timeout is 0s; it must be more than 0"},
		{"--gitlab-timeout=-1s", "--gitlab-timeout"},
		{"--gitlab-qps=-1", "--gitlab-qps is -1; it must be 0 or more"},
		{"--gitlab-qps=NaN", "--gitlab-qps"},
		{"--gitlab-burst=-1", "--gitlab-burst is -1; it must be 0 or more"},
		{"--create-settle-time=-1s", "--create-settle-time is -1s; it must be 0 or more"},
		{"--watch-label-selector=a in b", "--watch-label-selector"},
		{"--watch-namespaces=Team_A", `"Team_A" is not the name of a namespace`},
		{"--watch-namespaces=a,b c", `"b c" is not the name of a namespace`},
		{"--leader-elect=perhaps", "leader-elect"},
		{"--metrics-secure=perhaps", "metrics-secure"},
		{"--zap-log-level=loud", "zap-log-level"},
	} {
		_, err := parseFlags([]string{test.arg}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", test.arg, err)
		}
	}
}

func TestEndsWithCode2ForABadFlag(t *testing.T) {
	for _, arg := range []string{"--nope", "--sync-interval=1ms"} {
		code, out, errs := runManager(t, arg)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "manager: ") {
			t.Errorf("%s: code %d, %q, %q", arg, code, out, errs)
		}
	}
}

func TestPrintsItsVersion(t *testing.T) {
	code, out, errs := runManager(t, "--version")
	if code != 0 || out != version+"\n" || errs != "" {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
}

func TestHelpListsEachFlagWithItsDefault(t *testing.T) {
	code, out, errs := runManager(t, "--help")
	if code != 0 || errs != "" {
		t.Errorf("code %d, %q", code, errs)
	}
	for name, value := range map[string]string{
		"sync-interval": "10m0s", "max-concurrent-reconciles": "10", "gitlab-timeout": "30s", "create-settle-time": "1m30s",
		"metrics-bind-address": `":8443"`, "metrics-secure": "true", "health-probe-bind-address": `":8081"`,
		// Defaults that the flag package does not show stand in the words.
		"gitlab-qps": "", "gitlab-burst": "", "watch-namespaces": "", "watch-label-selector": "", "kubeconfig": "",
		"leader-elect": "", "leader-election-namespace": "", "leader-election-id": "", "version": "", "zap-log-level": "",
	} {
		entry := regexp.MustCompile(`(?m)^  -` + name + `( [a-z0-9]+)?\n?(    )?\t.+$`).FindString(out)
		if entry == "" || value != "" && !strings.Contains(entry, "(default "+value+")") {
			t.Errorf("-%s: %q", name, entry)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	if _, err := parseFlags([]string{"-h"}, &bytes.Buffer{}); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

// parsed are the flags of arguments that are right.
func parsed(t *testing.T, args ...string) *flags {
	t.Helper()
	f, err := parseFlags(args, &bytes.Buffer{})
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return f
}

func TestReadsFlags(t *testing.T) {
	f := parsed(t)
	if f.syncInterval != 10*time.Minute || f.leaderElect || !f.metricsSecure || len(f.watchNamespaces) != 0 || !f.watchSelector.Empty() {
		t.Errorf("%+v", f)
	}
	f = parsed(t, "--sync-interval=1s", "--watch-namespaces= b,a,,b", "--watch-label-selector=shard in (x,y)", "--gitlab-qps=2.5")
	if f.syncInterval != time.Second || !slices.Equal(f.watchNamespaces, []string{"a", "b"}) || f.gitlabQPS != 2.5 ||
		f.watchSelector.String() != "shard in (x,y)" {
		t.Errorf("%+v", f)
	}
}

func TestNamesTheLeaseAfterWhatIsWatched(t *testing.T) {
	base := parsed(t).leaderID
	if base != "gitlab-instance-cluster-operator" {
		t.Error(base)
	}
	names := map[string][]string{base: nil}
	for _, args := range [][]string{
		{"--watch-label-selector=shard=a"},
		{"--watch-label-selector=shard=b"},
		{"--watch-label-selector=!shard"},
		{"--watch-namespaces=a"},
		{"--watch-namespaces=b"},
		{"--watch-namespaces=a,b"},
		{"--watch-namespaces=a", "--watch-label-selector=shard=a"},
	} {
		name := parsed(t, args...).leaderID
		if other, taken := names[name]; taken || !strings.HasPrefix(name, base+"-") {
			t.Errorf("%v has the lease %s of %v", args, name, other)
		}
		names[name] = args
	}
	for _, same := range [][2][]string{
		{{"--watch-namespaces=a,b"}, {"--watch-namespaces=b, a,a"}},
		{{"--watch-label-selector=a=1,b=2"}, {"--watch-label-selector=b=2,a=1"}},
		{{"--watch-label-selector=a in (1,2)"}, {"--watch-label-selector=a in (2, 1)"}},
	} {
		if one, other := parsed(t, same[0]...).leaderID, parsed(t, same[1]...).leaderID; one != other {
			t.Errorf("%v and %v watch the same, with the leases %s and %s", same[0], same[1], one, other)
		}
	}
	if name := parsed(t, "--leader-election-id=mine", "--watch-namespaces=a").leaderID; name != "mine" {
		t.Error(name)
	}
}
