// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package validation asks a real kube-apiserver, with the shipped CRD, what it accepts and what it refuses.
package validation

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

const (
	namespace = "validation"
	timeout   = 30 * time.Second
)

var (
	root       string // of the repository
	kube       client.Client
	kubeconfig string
)

func TestValidation(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Validation at kubectl apply")
}

var _ = BeforeSuite(func(ctx context.Context) {
	cp, err := controlplane.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(cp.Stop)
	kubeconfig = controlplane.Kubeconfig(GinkgoT(), cp.Config)
	root, err = controlplane.Root()
	Expect(err).NotTo(HaveOccurred())

	scheme := controlplane.Scheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(cp.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	Expect(kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
})

// kubectlPath is the kubectl that came with the API server.
func kubectlPath() string {
	if given := os.Getenv("KUBEBUILDER_ASSETS"); given != "" {
		return filepath.Join(given, "kubectl")
	}
	return filepath.Join(root, "bin", "k8s", "kubectl")
}
