// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

func TestControlPlane(t *testing.T) {
	cp, err := controlplane.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Run("gives a user what is granted and no more", func(t *testing.T) { grants(t, cp) })
	t.Run("counts what each user writes", func(t *testing.T) { counts(t, cp) })
	t.Run("gives the manager's access as a kubeconfig file", func(t *testing.T) { managerAccess(t, cp) })
}

func grants(t *testing.T, cp *controlplane.ControlPlane) {
	ctx := context.Background()
	namespace := cp.Namespace(t)
	cp.Grant(t, namespace, "alice", rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"hers"}, Verbs: []string{"get"},
	})
	alice := cp.ClientFor(t, cp.User(t, "alice"))
	if err := alice.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "hers"}, &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("a Secret that she may read and that is missing: %v", err)
	}
	if err := alice.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "other"}, &corev1.Secret{}); !apierrors.IsForbidden(err) {
		t.Errorf("a Secret that she may not read: %v", err)
	}
}

func counts(t *testing.T, cp *controlplane.ControlPlane) {
	ctx := context.Background()
	namespace := cp.Namespace(t)
	cp.Grant(t, namespace, "bob", rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "patch", "get"},
	})
	bob := cp.ClientFor(t, cp.User(t, "bob"))
	secret := func() *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "counted"}}
	}

	mark := cp.Audit.Now(t)
	if err := bob.Create(ctx, secret()); err != nil {
		t.Fatal(err)
	}
	if err := bob.Create(ctx, secret()); !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	if err := bob.Patch(ctx, secret(), client.RawPatch("application/merge-patch+json", []byte(`{"data":{"a":"YQ=="}}`))); err != nil {
		t.Fatal(err)
	}
	if err := bob.Get(ctx, client.ObjectKeyFromObject(secret()), &corev1.Secret{}); err != nil {
		t.Fatal(err)
	}
	if err := cp.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "not-his"}}); err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, write := range cp.Audit.Writes(t, mark, "bob") {
		got = append(got, write.String())
	}
	want := []string{"create secrets " + namespace + "/counted 201", "patch secrets " + namespace + "/counted 200"}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("bob's writes are %q, want %q", got, want)
	}
	if all := cp.Audit.Since(t, mark, controlplane.By("bob"), controlplane.To(namespace, "counted")); len(all) != 4 {
		t.Errorf("bob's requests are %v, want 4", all)
	}
}

func managerAccess(t *testing.T, cp *controlplane.ControlPlane) {
	config, err := clientcmd.BuildConfigFromFlags("", controlplane.Kubeconfig(t, cp.ManagerConfig(t)))
	if err != nil {
		t.Fatal(err)
	}
	manager := cp.ClientFor(t, config)
	mark := cp.Audit.Now(t)
	if err := manager.List(context.Background(), &corev1.SecretList{}); err != nil {
		t.Errorf("listing Secrets: %v", err)
	}
	if err := manager.List(context.Background(), &corev1.ConfigMapList{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing ConfigMaps: %v", err)
	}
	if seen := cp.Audit.Since(t, mark, controlplane.By(controlplane.ManagerUser)); len(seen) == 0 {
		t.Errorf("the audit log does not name %s", controlplane.ManagerUser)
	}
}
