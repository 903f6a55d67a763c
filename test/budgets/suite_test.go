// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package budgets counts what the operator costs: the requests that the shipped manager sends to GitLab, as GitLab's
// journal has them, and its writes to Kubernetes, as the API server's audit log has them. A test fails when there is one
// too many.
package budgets

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

var cp *controlplane.ControlPlane

func TestBudgets(t *testing.T) {
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
	RunSpecs(t, "budgets")
}

// pages is how many requests a list of so many clusters takes.
func pages(clusters int) int { return max(1, (clusters+99)/100) }
