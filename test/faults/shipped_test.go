// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// TestShippedManagerCannotBeMadeToPanic compares the manager that panics on demand with one built from the same source as
// it stands: the name of the switch is in the first alone.
func TestShippedManagerCannotBeMadeToPanic(t *testing.T) {
	t.Parallel()
	named.Add(1)
	panicking, err := PanickingManager()
	if err != nil {
		t.Fatal(err)
	}
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	shipped := os.Getenv("TEST_MANAGER")
	if shipped == "" {
		shipped = filepath.Join(t.TempDir(), "manager")
		build := exec.Command("go", "build", "-race", "-o", shipped, "./cmd/manager")
		build.Dir = root
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	for path, want := range map[string]bool{panicking: true, shipped: false} {
		binary, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(binary, []byte("FAULT_POINTS")); got != want {
			t.Errorf("%s has the switch: %v", path, got)
		}
	}
}
