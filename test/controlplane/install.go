// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// install creates what the manifest holds, but for the CRD, which is there already, and the Deployment, which nothing
// here would run.
func (c *ControlPlane) install(manifest string) error {
	objects, err := ReadManifest(manifest)
	if err != nil {
		return err
	}
	for _, obj := range objects {
		switch obj.GetKind() {
		case "CustomResourceDefinition", "Deployment":
			continue
		}
		if err := c.Client.Create(context.Background(), obj); err != nil {
			return fmt.Errorf("%s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
	}
	return nil
}

// ReadManifest returns the objects of a file of YAML documents, in their order.
func ReadManifest(path string) ([]*unstructured.Unstructured, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ParseManifest(file)
}

// ParseManifest returns the objects of a stream of YAML documents, in their order.
func ParseManifest(stream io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(stream))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &obj.Object); err != nil {
			return nil, err
		}
		if len(obj.Object) > 0 {
			objects = append(objects, obj)
		}
	}
}

// waitForPolicy returns when the admission policy refuses somebody who may write the kind but not read Secrets: the
// API server takes up policies and roles a moment after they are created.
func (c *ControlPlane) waitForPolicy() error {
	ctx := context.Background()
	const user = "policy-probe"
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: EditorRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if err := c.Client.Create(ctx, binding); err != nil {
		return err
	}
	config := rest.CopyConfig(c.Config)
	config.Impersonate.UserName = user
	probe, err := client.New(config, client.Options{Scheme: c.Client.Scheme()})
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		last = probe.Create(ctx, probeObject(), client.DryRunAll)
		return apierrors.IsForbidden(last) && strings.Contains(last.Error(), "spec.gitlab.tokenSecretRef"), nil
	})
	if err != nil {
		return fmt.Errorf("the admission policy does not come into force: %w (last answer: %w)", err, last)
	}
	return c.Client.Delete(ctx, binding)
}

func probeObject() *v1alpha1.GitLabInstanceCluster {
	obj := &v1alpha1.GitLabInstanceCluster{ObjectMeta: metav1.ObjectMeta{Name: "policy-probe", Namespace: "default"}}
	obj.Spec.GitLab.URL = "https://gitlab.example.com"
	obj.Spec.GitLab.TokenSecretRef.Name = "nobody-may-read-this"
	obj.Spec.Kubernetes.APIURL = "https://k8s.example.com"
	obj.Spec.Kubernetes.TokenSecretRef.Name = "nobody-may-read-this"
	return obj
}
