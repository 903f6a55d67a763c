// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package install tests what config/ installs beside the manager: the admission policy, the roles, the Deployment and
// the samples, each against a real API server.
package install

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

var cp *controlplane.ControlPlane

func TestInstall(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Installation")
}

var _ = BeforeSuite(func() {
	var err error
	cp, err = controlplane.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cp.Stop()).To(Succeed()) })
})
