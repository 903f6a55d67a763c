// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// Who is compared.
const (
	manager    = "manager"
	crossplane = "crossplane"
	floor      = "floor"
)

// contestants come in this order in every round.
var contestants = []string{floor, manager, crossplane}

// concurrency is how many objects each works on at once: the manager's default.
const concurrency = 10

// resource is the kind that the contestant works on.
func (r *run) resource() schema.GroupVersionResource {
	if r.m.Contestant == crossplane {
		return schema.GroupVersionResource{Group: "bench.clusterops.dev", Version: "v1alpha1", Resource: "instanceclusters"}
	}
	return v1alpha1.GroupVersion.WithResource("gitlabinstanceclusters")
}

// launch starts the contestant; args are further ones.
func (r *run) launch(args ...string) error {
	var err error
	bin := filepath.Join(r.root, "bin")
	switch r.m.Contestant {
	case manager:
		args = append([]string{"--kubeconfig=" + r.kubeconfig, // the rest is as in config/manager
			"--leader-elect", "--leader-election-namespace=" + controlplane.SystemNamespace,
			"--health-probe-bind-address=" + controlplane.FreeAddress(r),
			"--metrics-bind-address=" + controlplane.FreeAddress(r), "--metrics-secure"}, args...)
		r.contestant, err = start(r.dir, cmp.Or(os.Getenv("BENCH_MANAGER"), filepath.Join(bin, "manager")), args...)
	case crossplane:
		r.contestant, err = start(r.dir, filepath.Join(bin, "bench", "crossplane"), "--kubeconfig="+r.kubeconfig, fmt.Sprintf("--concurrency=%d", concurrency))
	case floor:
		r.contestant, err = start(r.dir, filepath.Join(bin, "bench", "floor"), "--kubeconfig="+r.kubeconfig, "--namespace="+r.namespace,
			"--gitlab="+r.gitLab, fmt.Sprintf("--concurrency=%d", concurrency))
	}
	return err
}

// access makes the contestant's user, whose writes the audit log tells from others': the manager has the ServiceAccount
// that is installed, the others may do everything.
func (r *run) access() {
	if r.m.Contestant == manager {
		r.user = controlplane.ManagerUser
		r.kubeconfig = controlplane.Kubeconfig(r, r.cp.ManagerConfig(r))
		return
	}
	r.user = "bench-" + r.m.Contestant
	r.kubeconfig = controlplane.Kubeconfig(r, r.cp.User(r, r.user, "system:masters"))
}

// newObject is the i-th object, the same for each contestant.
func (r *run) newObject(i int) client.Object {
	name := objectName(i)
	if r.m.Contestant == crossplane {
		obj := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
			"forProvider": map[string]any{"gitlabURL": r.gitLab, "gitlabSecret": "gitlab-admin", "environmentScope": name + "/*",
				"apiURL": apiURL, "secret": name},
			"providerConfigRef": map[string]any{"kind": "ClusterProviderConfig", "name": "default"},
		}}}
		obj.SetAPIVersion("bench.clusterops.dev/v1alpha1")
		obj.SetKind("InstanceCluster")
		obj.SetNamespace(r.namespace)
		obj.SetName(name)
		return obj
	}
	return &v1alpha1.GitLabInstanceCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name},
		Spec: v1alpha1.GitLabInstanceClusterSpec{
			GitLab:           v1alpha1.GitLabConnection{URL: r.gitLab, TokenSecretRef: v1alpha1.TokenSecretRef{Name: "gitlab-admin"}},
			EnvironmentScope: name + "/*",
			Kubernetes: v1alpha1.KubernetesPlatform{APIURL: apiURL, TokenSecretRef: v1alpha1.TokenSecretRef{Name: name},
				CASecretRef: &v1alpha1.CASecretRef{Name: name}},
		},
	}
}

// installCRD creates the kind of the crossplane contestant.
func (r *run) installCRD() error {
	objects, err := controlplane.ReadManifest(filepath.Join(r.root, "test", "bench", "crossplane", "crd.yaml"))
	if err != nil {
		return err
	}
	for _, obj := range objects {
		if err := r.cp.Client.Create(r.ctx, obj); err != nil {
			return err
		}
	}
	return r.await("the CRD", func(ctx context.Context) (bool, error) {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("bench.clusterops.dev/v1alpha1")
		list.SetKind("InstanceClusterList")
		return r.cp.Client.List(ctx, list) == nil, nil
	})
}
