// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests what a user of the operator sees: the shipped manager, as a process with the shipped rules, between
// a real API server and a GitLab.
package e2e

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

var (
	cp      *controlplane.ControlPlane
	manager *controlplane.Manager
)

// syncInterval is the manager's: short, so that what it finds on its own is found within a test.
const syncInterval = "2s"

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	var err error
	cp, err = controlplane.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	manager = cp.StartManager(t, "--sync-interval="+syncInterval, "--create-settle-time=2s", "--gitlab-timeout=5s",
		"--zap-log-level=9")
	RunSpecs(t, "end to end")
}

// newWorld is a scenario's world, whose invariants are checked at its end.
func newWorld() *scenario.World {
	w := scenario.NewWorld(GinkgoT(), cp)
	DeferCleanup(func() {
		if !CurrentSpecReport().Failed() {
			w.CheckInvariants(manager)
		}
	})
	return w
}
