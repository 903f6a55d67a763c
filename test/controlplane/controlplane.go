// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs, for tests, a real kube-apiserver and etcd with everything in them that the installation
// brings, and the shipped manager against them as a process of its own.
package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// What dist/install.yaml calls the manager's namespace, its ServiceAccount and its user.
const (
	SystemNamespace    = "gitlab-instance-cluster-operator-system"
	ServiceAccountName = "gitlab-instance-cluster-operator-manager"
	ManagerUser        = "system:serviceaccount:" + SystemNamespace + ":" + ServiceAccountName
	EditorRole         = "gitlab-instance-cluster-operator-editor"
	ViewerRole         = "gitlab-instance-cluster-operator-viewer"
)

const module = "module github.com/clusterops-dev/gitlab-instance-cluster-operator\n"

// T is what these functions need of a test: a *testing.T or Ginkgo's GinkgoT().
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
	TempDir() string
}

// ControlPlane is a running kube-apiserver and etcd, with RBAC on, an audit log, and all of dist/install.yaml but the
// Deployment. There are no controllers and no nodes: a deleted namespace stays, and no ServiceAccount appears by itself.
type ControlPlane struct {
	// Config and Client are the administrator's. The client has no cache.
	Config *rest.Config
	Client client.Client
	// Audit tells who asked the API server for what.
	Audit *Audit

	env *envtest.Environment
	dir string
}

// Scheme knows the types of Kubernetes and of the operator.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// Start starts a control plane and returns when what the installation brings is in force. Stop it after the tests.
func Start() (*ControlPlane, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	assets, err := assets(root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "controlplane-")
	if err != nil {
		return nil, err
	}
	cp := &ControlPlane{dir: dir, Audit: &Audit{path: filepath.Join(dir, "audit.log")}}
	cp.env = &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		Scheme:                Scheme(),
	}
	if err := cp.start(filepath.Join(root, "dist", "install.yaml")); err != nil {
		return nil, errors.Join(err, cp.Stop())
	}
	return cp, nil
}

func (c *ControlPlane) start(manifest string) error {
	policy := filepath.Join(c.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	c.env.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", c.Audit.path).
		Set("audit-log-maxsize", "100000") // megabytes: the log must not be rotated away under its readers
	config, err := c.env.Start()
	if err != nil {
		return err
	}
	c.Config = config
	if c.Client, err = client.New(config, client.Options{Scheme: Scheme()}); err != nil {
		return err
	}
	if err := c.install(manifest); err != nil {
		return fmt.Errorf("installing %s: %w", manifest, err)
	}
	return c.waitForPolicy()
}

// Stop ends the API server and etcd and removes what they left on disk.
func (c *ControlPlane) Stop() error {
	return errors.Join(c.env.Stop(), os.RemoveAll(c.dir))
}

// Root is the folder of the repository, found from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), module) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod of this repository in or above the working directory")
		}
		dir = parent
	}
}

// assets is the folder of the binaries: envtest itself prefers KUBEBUILDER_ASSETS.
func assets(root string) (string, error) {
	dir := filepath.Join(root, "bin", "k8s")
	if given := os.Getenv("KUBEBUILDER_ASSETS"); given != "" {
		dir = given
	}
	for _, binary := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(dir, binary)); err != nil {
			return "", fmt.Errorf("%w: run make controlplane", err)
		}
	}
	return dir, nil
}
