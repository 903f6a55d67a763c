// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

const group = "gitlab.clusterops.dev"

// may asks the API server whether a user may do something to a resource or, after a slash, its subresource.
func may(ctx context.Context, user, namespace, verb, apiGroup, resource string) bool {
	GinkgoHelper()
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: apiGroup, Resource: resource, Subresource: subresource,
		},
	}}
	Expect(cp.Client.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

// right is one resource in one namespace ("" is all of them) and the verbs that are allowed on it, out of all verbs.
type right struct {
	namespace, apiGroup, resource string
	verbs                         string
}

var allVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

func expectRights(ctx context.Context, user string, rights []right) {
	GinkgoHelper()
	for _, r := range rights {
		var allowed []string
		for _, verb := range allVerbs {
			if may(ctx, user, r.namespace, verb, r.apiGroup, r.resource) {
				allowed = append(allowed, verb)
			}
		}
		Expect(strings.Join(allowed, " ")).To(Equal(r.verbs), "%s on %s %s in %q", user, r.apiGroup, r.resource, r.namespace)
	}
}

// bind gives a user a ClusterRole everywhere and waits until the API server knows.
func bind(ctx context.Context, user, role string) {
	GinkgoHelper()
	binding := &rbacv1.ClusterRoleBinding{
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	binding.Name = user
	Expect(cp.Client.Create(ctx, binding)).To(Succeed())
	Eventually(func() bool {
		return may(ctx, user, "", "list", group, "gitlabinstanceclusters")
	}).WithTimeout(awaited).Should(BeTrue())
}

var _ = Describe("The manager's ServiceAccount", func() {
	It("may do what the manager does, and nothing else", func(ctx context.Context) {
		cp.ManagerConfig(GinkgoT())
		system := controlplane.SystemNamespace
		expectRights(ctx, controlplane.ManagerUser, []right{
			{"", group, "gitlabinstanceclusters", "get list watch patch"},
			{"", group, "gitlabinstanceclusters/status", "patch"},
			{"", "", "secrets", "get list watch"},
			{"", "events.k8s.io", "events", "create"},
			{"", "authentication.k8s.io", "tokenreviews", "create"},
			{"", "authorization.k8s.io", "subjectaccessreviews", "create"},
			{system, "coordination.k8s.io", "leases", "get create update"},
			{system, "", "events", "create patch"},
			{"", "coordination.k8s.io", "leases", ""},
			{"", "", "events", ""},
			{"", "", "configmaps", ""},
			{"", "", "namespaces", ""},
			{"", "", "serviceaccounts/token", ""},
			{"", "rbac.authorization.k8s.io", "clusterroles", ""},
			{"", "*", "*", ""},
		})
	})
})

var _ = Describe("The roles for people", func() {
	It("let a viewer look", func(ctx context.Context) {
		bind(ctx, "viewer", controlplane.ViewerRole)
		expectRights(ctx, "viewer", []right{
			{"", group, "gitlabinstanceclusters", "get list watch"},
			{"", group, "gitlabinstanceclusters/status", ""},
			{"", "", "secrets", ""},
		})
	})
	It("let an editor write specs but neither status nor Secrets", func(ctx context.Context) {
		bind(ctx, "editor", controlplane.EditorRole)
		expectRights(ctx, "editor", []right{
			{"", group, "gitlabinstanceclusters", "get list watch create update patch delete"},
			{"", group, "gitlabinstanceclusters/status", ""},
			{"", "", "secrets", ""},
		})
	})
	It("are part of no other role", func(ctx context.Context) {
		roles := &rbacv1.ClusterRoleList{}
		Expect(cp.Client.List(ctx, roles, client.MatchingLabels{"app.kubernetes.io/name": "gitlab-instance-cluster-operator"})).To(Succeed())
		Expect(roles.Items).NotTo(BeEmpty())
		for _, role := range roles.Items {
			for label := range role.Labels {
				Expect(label).NotTo(HavePrefix("rbac.authorization.k8s.io/aggregate-to-"), role.Name)
			}
		}
	})
})

var _ = Describe("The namespaced installation", func() {
	It("gives the manager the same rights in its namespace, and none in others", func(ctx context.Context) {
		var own []*unstructured.Unstructured
		for _, obj := range kustomize("config/namespaced") {
			Expect(obj.GetKind() + "/" + obj.GetName()).NotTo(BeElementOf("ClusterRole/"+controlplane.ServiceAccountName,
				"ClusterRoleBinding/"+controlplane.ServiceAccountName))
			if obj.GetNamespace() == "gitlab-clusters" {
				own = append(own, obj)
			}
		}
		Expect(own).To(HaveLen(2), "a Role and a RoleBinding")

		// The same two objects, for another ServiceAccount: the one of the overlay has its rights from the default installation.
		const user = "system:serviceaccount:" + controlplane.SystemNamespace + ":namespaced"
		namespace := cp.Namespace(GinkgoT())
		for _, obj := range own {
			obj.SetNamespace(namespace)
			if obj.GetKind() == "RoleBinding" {
				subjects, _, err := unstructured.NestedSlice(obj.Object, "subjects")
				Expect(err).NotTo(HaveOccurred())
				Expect(subjects).To(ConsistOf(map[string]any{
					"kind": "ServiceAccount", "name": controlplane.ServiceAccountName, "namespace": controlplane.SystemNamespace,
				}))
				subjects[0].(map[string]any)["name"] = "namespaced"
				Expect(unstructured.SetNestedSlice(obj.Object, subjects, "subjects")).To(Succeed())
			}
			Expect(cp.Client.Create(ctx, obj)).To(Succeed())
		}
		Eventually(func() bool { return may(ctx, user, namespace, "list", "", "secrets") }).WithTimeout(awaited).Should(BeTrue())
		expectRights(ctx, user, []right{
			{namespace, group, "gitlabinstanceclusters", "get list watch patch"},
			{namespace, group, "gitlabinstanceclusters/status", "patch"},
			{namespace, "", "secrets", "get list watch"},
			{namespace, "events.k8s.io", "events", "create"},
			{"", group, "gitlabinstanceclusters", ""},
			{"", "", "secrets", ""},
			{"default", "", "secrets", ""},
		})
	})
	It("tells the manager which namespace", func() {
		Expect(managerArgs(kustomize("config/namespaced"))).To(ContainElement("--watch-namespaces=gitlab-clusters"))
	})
})

// kustomize renders a folder of the repository with the pinned kustomize.
func kustomize(folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	root, err := controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	build := exec.Command(filepath.Join(root, "hack", "tools", "build.sh"), "kustomize")
	build.Stderr = GinkgoWriter
	binary, err := build.Output()
	Expect(err).NotTo(HaveOccurred())
	render := exec.Command(strings.TrimSpace(string(binary)), "build", filepath.Join(root, folder))
	render.Stderr = GinkgoWriter
	output, err := render.Output()
	Expect(err).NotTo(HaveOccurred())
	objects, err := controlplane.ParseManifest(strings.NewReader(string(output)))
	Expect(err).NotTo(HaveOccurred())
	return objects
}
