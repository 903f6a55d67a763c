// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// The shipped manager has no place where a test could make it panic. The one that panics on demand is built from the
// same source with these changes laid over it, and testdata/faultpoint.go added; the source itself has none of it.
var overlaid = map[string][][2]string{
	"controllers/gitlab/client.go": {{"x.client.transport.RoundTrip(", "FaultPoint(x.client.transport).RoundTrip("}},
	"cmd/manager/main.go": {
		{"\tconfig.QPS, ", "\tconfig.Wrap(gitlab.FaultPoint)\n\tconfig.QPS, "},
		{"\t\"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet\"\n",
			"\t\"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet\"\n" +
				"\t\"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab\"\n"},
	},
}

// PanickingManager is the manager that asks Points at each of its writes, built once.
var PanickingManager = sync.OnceValues(buildPanicking)

func buildPanicking() (path string, err error) {
	root, err := controlplane.Root()
	if err != nil {
		return "", err
	}
	// The underscore hides the changed files from ./..., to which they would be packages that do not compile.
	dir := filepath.Join(root, "bin", "test", "_faultpoints")
	replace := map[string]string{filepath.Join(root, "controllers/gitlab/faultpoint.go"): filepath.Join(root, "test/faults/testdata/faultpoint.go")}
	for file, changes := range overlaid {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return "", err
		}
		text := string(content)
		for _, change := range changes {
			if n := strings.Count(text, change[0]); n != 1 {
				return "", fmt.Errorf("%s has %q %d times; the changes laid over it must follow it", file, change[0], n)
			}
			text = strings.Replace(text, change[0], change[1], 1)
		}
		to := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "manager")
	build := exec.Command("go", "build", "-race", "-overlay", list, "-o", binary, "./cmd/manager")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, output)
	}
	return binary, nil
}

// Reached is a write that has come to a point: "before" it is sent, "committed" with the answer lost, or "after" the
// answer was read.
type Reached struct {
	Point  string
	Method string
	URL    *url.URL
	// Call is the write if it goes to the API server.
	Call Call
}

// Points decides where managers panic.
type Points struct {
	// URL is for $FAULT_POINTS.
	URL string

	mu    sync.Mutex
	rules []*Panic
}

// Panic is one that is to happen.
type Panic struct {
	match func(Reached) bool
	skip  int
	// Struck is closed when it happens.
	Struck chan struct{}
}

// NewPoints listens for managers until the test ends.
func NewPoints(t controlplane.T) *Points {
	p := &Points{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Panic arranges for one, at the first write that matches after skip others.
func (p *Points) Panic(skip int, match func(Reached) bool) *Panic {
	p.mu.Lock()
	defer p.mu.Unlock()
	rule := &Panic{match: match, skip: skip, Struck: make(chan struct{})}
	p.rules = append(p.rules, rule)
	return rule
}

func (p *Points) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	at := Reached{Point: query.Get("point"), Method: query.Get("method")}
	var err error
	if at.URL, err = url.Parse(query.Get("url")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	at.Call = read(&http.Request{Method: at.Method, URL: at.URL, Body: r.Body})
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, rule := range p.rules {
		if !rule.match(at) {
			continue
		}
		if rule.skip > 0 {
			rule.skip--
			continue
		}
		p.rules = slices.Delete(p.rules, i, i+1)
		close(rule.Struck)
		w.WriteHeader(http.StatusTeapot)
		return
	}
}
