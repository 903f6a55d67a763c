// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// The Secrets that complete names.
const (
	gitlabToken  = "gitlab-token"
	gitlabCA     = "gitlab-ca"
	clusterToken = "cluster-token"
	clusterCA    = "cluster-ca"
)

var allSecrets = []string{gitlabToken, gitlabCA, clusterToken, clusterCA}

// complete is an object that names four different Secrets.
func complete(namespace string) *v1alpha1.GitLabInstanceCluster {
	obj := &v1alpha1.GitLabInstanceCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "production"}}
	obj.Spec.GitLab = v1alpha1.GitLabConnection{
		URL:            "https://gitlab.example.com",
		TokenSecretRef: v1alpha1.TokenSecretRef{Name: gitlabToken},
		CASecretRef:    &v1alpha1.CASecretRef{Name: gitlabCA},
	}
	obj.Spec.Kubernetes = v1alpha1.KubernetesPlatform{
		APIURL:         "https://k8s.example.com:6443",
		TokenSecretRef: v1alpha1.TokenSecretRef{Name: clusterToken},
		CASecretRef:    &v1alpha1.CASecretRef{Name: clusterCA},
	}
	return obj
}

func without(secret string) []string {
	var rest []string
	for _, name := range allSecrets {
		if name != secret {
			rest = append(rest, name)
		}
	}
	return rest
}

// writer returns a client of somebody who may write the kind in a namespace and read only these Secrets there.
func writer(namespace string, secrets ...string) client.Client {
	GinkgoHelper()
	user := "writer-" + namespace
	rules := []rbacv1.PolicyRule{{
		APIGroups: []string{"gitlab.clusterops.dev"},
		Resources: []string{"gitlabinstanceclusters", "gitlabinstanceclusters/status"},
		Verbs:     []string{"create", "get", "update", "patch", "delete"},
	}}
	if len(secrets) > 0 {
		rules = append(rules, rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: secrets, Verbs: []string{"get"},
		})
	}
	cp.Grant(GinkgoT(), namespace, user, rules...)
	return cp.ClientFor(GinkgoT(), cp.User(GinkgoT(), user))
}

// expectRefusal checks that the error is the policy's and names the reference, the Secret and the remedy.
func expectRefusal(err error, field, secret string) {
	GinkgoHelper()
	Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error is %v", err)
	Expect(err).To(MatchError(And(
		ContainSubstring(field+": you may not get Secret \""+secret+"\""),
		ContainSubstring(`ask for the verb "get" on that Secret`),
	)))
}

var _ = Describe("Creating an object", func() {
	var namespace string
	BeforeEach(func() { namespace = cp.Namespace(GinkgoT()) })

	It("is allowed to who may read all its Secrets", func(ctx context.Context) {
		Expect(writer(namespace, allSecrets...).Create(ctx, complete(namespace))).To(Succeed())
	})
	DescribeTable("is refused to who may not read one of them", func(ctx context.Context, field, secret string) {
		expectRefusal(writer(namespace, without(secret)...).Create(ctx, complete(namespace)), field, secret)
	},
		Entry("GitLab's token", "spec.gitlab.tokenSecretRef", gitlabToken),
		Entry("GitLab's CA", "spec.gitlab.caSecretRef", gitlabCA),
		Entry("the cluster's token", "spec.kubernetes.tokenSecretRef", clusterToken),
		Entry("the cluster's CA", "spec.kubernetes.caSecretRef", clusterCA),
	)
	It("asks for no CA that the object does not name", func(ctx context.Context) {
		obj := complete(namespace)
		obj.Spec.GitLab.CASecretRef, obj.Spec.Kubernetes.CASecretRef = nil, nil
		Expect(writer(namespace, gitlabToken, clusterToken).Create(ctx, obj)).To(Succeed())
	})
	It("asks for Secrets of the object's namespace, not of another", func(ctx context.Context) {
		elsewhere := cp.Namespace(GinkgoT())
		cp.Grant(GinkgoT(), elsewhere, "writer-"+namespace, rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"},
		})
		expectRefusal(writer(namespace).Create(ctx, complete(namespace)), "spec.gitlab.tokenSecretRef", gitlabToken)
	})
})

// A change is made to the object that complete returns, by somebody who may read only some Secrets.
type change func(*v1alpha1.GitLabInstanceCluster)

func update(ctx context.Context, readable []string, change change) error {
	GinkgoHelper()
	namespace := cp.Namespace(GinkgoT())
	obj := complete(namespace)
	Expect(cp.Client.Create(ctx, obj)).To(Succeed())
	change(obj)
	return writer(namespace, readable...).Update(ctx, obj)
}

var nothing []string

var _ = Describe("Changing an object", func() {
	DescribeTable("needs no Secret for what sends none anywhere", func(ctx context.Context, change change) {
		Expect(update(ctx, nothing, change)).To(Succeed())
	},
		Entry("a field of the cluster", func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Domain = "apps.example.com" }),
		Entry("suspend", func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Suspend = true }),
		Entry("the deletion policy", func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.DeletionPolicy = v1alpha1.DeletionOrphan }),
		Entry("a label", func(obj *v1alpha1.GitLabInstanceCluster) { obj.Labels = map[string]string{"team": "a"} }),
		Entry("the annotation that asks for a look", func(obj *v1alpha1.GitLabInstanceCluster) {
			obj.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"}
		}),
		Entry("taking GitLab's CA away", func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.GitLab.CASecretRef = nil }),
		Entry("taking the cluster's CA away", func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Kubernetes.CASecretRef = nil }),
	)

	DescribeTable("needs each Secret that is newly named or goes somewhere new",
		func(ctx context.Context, change change, needed []string, refusals map[string]string) {
			Expect(update(ctx, needed, change)).To(Succeed(), "with %v", needed)
			for secret, field := range refusals {
				var readable []string
				for _, name := range needed {
					if name != secret {
						readable = append(readable, name)
					}
				}
				expectRefusal(update(ctx, readable, change), field, secret)
			}
		},
		Entry("another Secret for GitLab's token",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.GitLab.TokenSecretRef.Name = "another" },
			[]string{"another"}, map[string]string{"another": "spec.gitlab.tokenSecretRef"}),
		Entry("another key for GitLab's token",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.GitLab.TokenSecretRef.Key = "another" },
			[]string{gitlabToken}, map[string]string{gitlabToken: "spec.gitlab.tokenSecretRef"}),
		Entry("another Secret for the cluster's token",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Kubernetes.TokenSecretRef.Name = "another" },
			[]string{"another"}, map[string]string{"another": "spec.kubernetes.tokenSecretRef"}),
		Entry("another key for the cluster's token",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Kubernetes.TokenSecretRef.Key = "another" },
			[]string{clusterToken}, map[string]string{clusterToken: "spec.kubernetes.tokenSecretRef"}),
		Entry("another Secret for the cluster's CA, which vouches for who gets its token",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Kubernetes.CASecretRef.Name = "another" },
			[]string{"another", clusterToken},
			map[string]string{"another": "spec.kubernetes.caSecretRef", clusterToken: "spec.kubernetes.tokenSecretRef"}),
		Entry("another key for the cluster's CA",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.Kubernetes.CASecretRef.Key = "another" },
			[]string{clusterCA, clusterToken}, map[string]string{clusterCA: "spec.kubernetes.caSecretRef"}),
		Entry("another API server for the cluster's token",
			func(obj *v1alpha1.GitLabInstanceCluster) {
				obj.Spec.Kubernetes.APIURL = "https://elsewhere.example.com"
			},
			[]string{clusterToken}, map[string]string{clusterToken: "spec.kubernetes.tokenSecretRef"}),
		Entry("another GitLab for all of them",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.GitLab.URL = "https://elsewhere.example.com" },
			allSecrets, map[string]string{
				gitlabToken: "spec.gitlab.tokenSecretRef", clusterToken: "spec.kubernetes.tokenSecretRef",
				clusterCA: "spec.kubernetes.caSecretRef",
			}),
		Entry("another Secret for GitLab's CA, which vouches for who gets the tokens",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.GitLab.CASecretRef.Name = "another" },
			[]string{"another", gitlabToken, clusterToken, clusterCA}, map[string]string{
				"another": "spec.gitlab.caSecretRef", gitlabToken: "spec.gitlab.tokenSecretRef",
				clusterToken: "spec.kubernetes.tokenSecretRef",
			}),
		Entry("taking over a cluster by its id",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.ClusterID = new(int64(9)) },
			[]string{gitlabToken}, map[string]string{gitlabToken: "spec.gitlab.tokenSecretRef"}),
		Entry("taking over a cluster that matches",
			func(obj *v1alpha1.GitLabInstanceCluster) { obj.Spec.AdoptionPolicy = v1alpha1.AdoptionMatching },
			[]string{gitlabToken}, map[string]string{gitlabToken: "spec.gitlab.tokenSecretRef"}),
		Entry("an intent to add the cluster, which says where GitLab's token goes",
			func(obj *v1alpha1.GitLabInstanceCluster) {
				obj.Annotations = map[string]string{v1alpha1.CreateIntentAnnotation: `{"gitlabURL":"https://elsewhere.example.com"}`}
			},
			allSecrets, map[string]string{gitlabToken: "spec.gitlab.tokenSecretRef"}),
	)

	It("asks for a CA that is added", func(ctx context.Context) {
		namespace := cp.Namespace(GinkgoT())
		obj := complete(namespace)
		obj.Spec.GitLab.CASecretRef, obj.Spec.Kubernetes.CASecretRef = nil, nil
		Expect(cp.Client.Create(ctx, obj)).To(Succeed())
		obj.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: clusterCA}
		expectRefusal(writer(namespace, gitlabToken, clusterToken).Update(ctx, obj), "spec.kubernetes.caSecretRef", clusterCA)
	})

	It("leaves status and deletion to the roles", func(ctx context.Context) {
		namespace := cp.Namespace(GinkgoT())
		obj := complete(namespace)
		Expect(cp.Client.Create(ctx, obj)).To(Succeed())
		anyone := writer(namespace)
		obj.Status.ObservedGeneration = 1
		Expect(anyone.Status().Update(ctx, obj)).To(Succeed())
		Expect(anyone.Delete(ctx, obj)).To(Succeed())
	})

	It("lets the manager claim and release an object", func(ctx context.Context) {
		obj := complete(cp.Namespace(GinkgoT()))
		Expect(cp.Client.Create(ctx, obj)).To(Succeed())
		manager := cp.ClientFor(GinkgoT(), cp.ManagerConfig(GinkgoT()))

		before := obj.DeepCopy()
		obj.Finalizers = []string{v1alpha1.Finalizer}
		obj.Annotations = map[string]string{v1alpha1.CreateIntentAnnotation: `{"attempt":1}`}
		Expect(manager.Patch(ctx, obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))).To(Succeed())
		before = obj.DeepCopy()
		obj.Status.ObservedGeneration = 1
		Expect(manager.Status().Patch(ctx, obj, client.MergeFrom(before))).To(Succeed())
		before = obj.DeepCopy()
		obj.Finalizers = nil
		Expect(manager.Patch(ctx, obj, client.MergeFrom(before))).To(Succeed())
	})
})
