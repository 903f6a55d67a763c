// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests what a user of the operator sees: the shipped manager, as a process with the shipped rules, between
// a real API server and a GitLab.
package e2e

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

var (
	cp      *controlplane.ControlPlane
	manager *controlplane.Manager
)

// syncInterval is the manager's: short, so that what it finds on its own is found within a test.
const syncInterval = "1s"

// ownLabel on an object leaves it to a manager that the scenario starts itself.
const ownLabel = "e2e.test/own-manager"

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
		"--zap-log-level=9", "--watch-label-selector=!"+ownLabel)
	RunSpecs(t, "end to end")
	scenario.CheckManager(t, manager)
}

// newWorld is a scenario's world, whose invariants are checked at its end; the log and the metrics of the manager that all
// share are searched at the end of all. Every object can then be released.
func newWorld(change ...func(*simulator.Options, *simulator.ServerOptions)) *scenario.World {
	w := scenario.NewWorld(GinkgoT(), cp, change...)
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			AddReportEntry("what happened", w.Story())
		} else {
			w.CheckInvariants()
		}
		w.ReleaseAll(ownLabel)
	})
	return w
}

// ownManager starts a manager for the objects that own labels; the arguments override the usual ones.
func ownManager(args ...string) *controlplane.Manager {
	return cp.StartManager(GinkgoT(), append([]string{"--sync-interval=" + syncInterval, "--create-settle-time=2s",
		"--gitlab-timeout=5s", "--zap-log-level=9", "--watch-label-selector=" + ownLabel}, args...)...)
}

// own leaves an object to the scenario's own manager.
func own(o *scenario.Glic) { o.Labels = map[string]string{ownLabel: ""} }

// scope gives an object an environment scope.
func scope(s string) func(*scenario.Glic) {
	return func(o *scenario.Glic) { o.Spec.EnvironmentScope = s }
}
