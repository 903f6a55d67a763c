// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package budgets

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

const leaderElectionRole = "gitlab-instance-cluster-operator-leader-election"

var _ = Describe("Two managers that share a fleet by labels", func() {
	It("work at the same time, and neither touches the other's objects", func() {
		const n = 100
		f := newFleet(n)
		shard := func(i int) string { return []string{"a", "b"}[i%2] }
		users := map[string]string{}
		for _, s := range []string{"a", "b"} {
			users[s] = "shard-" + s
			config := cp.User(GinkgoT(), users[s])
			bind(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: users[s]},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: controlplane.ServiceAccountName}, Subjects: subject(users[s])})
			elects(users[s])
			awaitAccess(config, f.Namespace)
			shardManager(config, "--watch-label-selector="+ownLabel+"="+f.label+",shard="+s)
		}
		leases := leaders()
		f.CountKubernetesWrites()
		mark := cp.Audit.Now(GinkgoT())
		f.ForgetRequests()
		f.each(func(i int) {
			f.Create(name(i), f.object(i), func(o *scenario.Glic) { o.Labels["shard"] = shard(i) })
		})
		f.awaitReason(v1alpha1.ReasonSynced)
		Expect(leases).To(HaveLen(2), "each holds a lease of its own")
		Expect(f.requested()).To(Equal(requests{"list": 2, "add": n}), "a list for each manager")
		for i := range n {
			for s, user := range users {
				writes := cp.Audit.Since(GinkgoT(), mark, controlplane.By(user), controlplane.To(f.Namespace, name(i)), controlplane.Request.Write)
				if s == shard(i) {
					Expect(writes).To(HaveLen(2))
				} else {
					Expect(writes).To(BeEmpty())
				}
			}
		}

		By("moving an object from one to the other without a write")
		f.ForgetRequests()
		mark = cp.Audit.Now(GinkgoT())
		f.patch(name(0), `{"metadata":{"labels":{"shard":"b"}}}`)
		f.patch(name(0), `{"metadata":{"annotations":{"gitlab.clusterops.dev/reconcile-at":"now"}}}`)
		f.AwaitRequests(1, "list")
		f.Edit(name(0), func(o *scenario.Glic) { o.Spec.Domain = "moved.example.com" })
		f.AwaitReady(name(0))
		Expect(f.Writes()).To(Equal([]string{"PUT edit 200"}), "for the edit alone")
		Expect(cp.Audit.Since(GinkgoT(), mark, controlplane.By(users["a"]), controlplane.To(f.Namespace, name(0)))).To(BeEmpty())
		Expect(cp.Audit.Since(GinkgoT(), mark, controlplane.By(users["b"]), controlplane.To(f.Namespace, name(0)), controlplane.Request.Write)).To(HaveLen(1))
		f.CheckInvariants()
	})
})

var _ = Describe("Two managers with a namespace each", func() {
	It("work at the same time with the rights of the namespaced installation, and no others", func() {
		worlds := map[string]*scenario.World{"a": scenario.NewWorld(GinkgoT(), cp), "b": scenario.NewWorld(GinkgoT(), cp)}
		mark := cp.Audit.Now(GinkgoT())
		for s, w := range worlds {
			user := "namespace-" + s
			config := cp.User(GinkgoT(), user)
			grantNamespace(w.Namespace, user)
			elects(user)
			awaitAccess(config, w.Namespace)
			shardManager(config, "--watch-namespaces="+w.Namespace)
		}
		Expect(leaders()).To(HaveLen(2), "each holds a lease of its own")
		for s, w := range worlds {
			w.Create("one")
			w.AwaitReady("one")
			w.Secret("gitlab-sa", "token", scenario.Sentinel+"-rotated")
			Eventually(func() string { return w.Cluster(w.Get("one")).Token }).WithTimeout(patience).Should(Equal(scenario.Sentinel + "-rotated"))
			w.Delete("one")
			w.AwaitGone("one")
			Expect(w.Writes()).To(Equal([]string{"POST add 201", "PUT edit 200", "DELETE delete 204"}))
			for _, r := range cp.Audit.Since(GinkgoT(), mark, controlplane.By("namespace-"+s)) {
				Expect(r.Code).NotTo(Equal(403), "%s", r)
				Expect(r.Namespace).To(BeElementOf(w.Namespace, controlplane.SystemNamespace, ""), "%s", r)
				Expect(r.Namespace == "" && r.Resource != "").To(BeFalse(), "a request for all namespaces: %s", r)
			}
		}
	})
})

// shardManager starts a manager that works only while it holds the lease that its other flags name.
func shardManager(config *rest.Config, args ...string) {
	GinkgoHelper()
	before := len(leaders())
	controlplane.StartManager(GinkgoT(), config, append([]string{never, "--leader-elect",
		"--leader-election-namespace=" + controlplane.SystemNamespace}, args...)...)
	Eventually(func() int { return len(leaders()) }).WithTimeout(patience).Should(Equal(before + 1))
}

// leaders are the leases that are held, and who holds them.
func leaders() map[string]string {
	GinkgoHelper()
	var leases coordinationv1.LeaseList
	Expect(cp.Client.List(context.Background(), &leases, client.InNamespace(controlplane.SystemNamespace))).To(Succeed())
	held := map[string]string{}
	for _, lease := range leases.Items {
		if holder := lease.Spec.HolderIdentity; holder != nil && *holder != "" {
			held[lease.Name] = *holder
		}
	}
	return held
}

func bind(obj client.Object) {
	GinkgoHelper()
	Expect(cp.Client.Create(context.Background(), obj)).To(Succeed())
}

func subject(user string) []rbacv1.Subject {
	return []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
}

// elects lets a user take part in leader election as the shipped ServiceAccount may.
func elects(user string) {
	GinkgoHelper()
	bind(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user, Namespace: controlplane.SystemNamespace},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: leaderElectionRole}, Subjects: subject(user)})
}

// awaitAccess returns when the API server lets the user do what it was given.
func awaitAccess(config *rest.Config, namespace string) {
	GinkgoHelper()
	users := cp.ClientFor(GinkgoT(), config)
	Eventually(func() error {
		if err := users.List(context.Background(), &v1alpha1.GitLabInstanceClusterList{}, client.InNamespace(namespace)); err != nil {
			return err
		}
		return client.IgnoreNotFound(users.Get(context.Background(), client.ObjectKey{Namespace: controlplane.SystemNamespace, Name: "none"}, &coordinationv1.Lease{}))
	}).WithTimeout(patience).Should(Succeed())
}

// grantNamespace gives a user, in one namespace, the rights that config/namespaced gives the manager.
func grantNamespace(namespace, user string) {
	GinkgoHelper()
	granted := 0
	for _, obj := range namespacedInstallation() {
		if obj.GetNamespace() != "gitlab-clusters" {
			continue
		}
		granted++
		obj.SetNamespace(namespace)
		if obj.GetKind() == "RoleBinding" {
			Expect(unstructured.SetNestedSlice(obj.Object, []any{map[string]any{
				"apiGroup": rbacv1.GroupName, "kind": rbacv1.UserKind, "name": user}}, "subjects")).To(Succeed())
		}
		bind(obj)
	}
	Expect(granted).To(Equal(2), "a Role and a RoleBinding")
}

// namespacedInstallation is config/namespaced, rendered.
func namespacedInstallation() []*unstructured.Unstructured {
	GinkgoHelper()
	root, err := controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	tool, err := exec.Command(filepath.Join(root, "hack", "tools", "build.sh"), "kustomize").Output()
	Expect(err).NotTo(HaveOccurred())
	manifest, err := exec.Command(strings.TrimSpace(string(tool)), "build", filepath.Join(root, "config", "namespaced")).Output()
	Expect(err).NotTo(HaveOccurred())
	objects, err := controlplane.ParseManifest(strings.NewReader(string(manifest)))
	Expect(err).NotTo(HaveOccurred())
	return objects
}
