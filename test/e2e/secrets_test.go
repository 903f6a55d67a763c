// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/base64"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// withCAs has the object name both CA Secrets.
func withCAs(o *scenario.Glic) {
	o.Spec.GitLab.CASecretRef = &v1alpha1.CASecretRef{Name: "gitlab-ca"}
	o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "gitlab-sa-ca"}
}

// newSecuredWorld is a world whose GitLab speaks TLS, with all four Secrets.
func newSecuredWorld(ca *simulator.CA) *scenario.World {
	w := newWorld(secured(ca, simulator.Certificate{}))
	w.Secret("gitlab-ca", "ca.crt", string(ca.PEM()))
	w.Secret("gitlab-sa-ca", "ca.crt", certificate())
	return w
}

var _ = Describe("a rotated Secret", func() {
	It("with GitLab's token is used at once, and writes nothing anywhere", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		w.GitLab.SetToken(simulator.Token{Value: "glpat-sentinel-new", Name: "new", Scopes: []string{"api", "admin_mode"}})
		w.Secret("gitlab-admin", "token", "glpat-sentinel-new")
		Eventually(func() string { return w.AwaitRequests(1, "list").Token }, scenario.Patience).Should(Equal("new"))
		w.GitLab.RevokeToken("admin")
		w.AwaitRequests(2, "list")
		Expect(w.Requests()).To(HaveEach("GET list 200"))
		Expect(w.KubernetesWrites()).To(BeEmpty())
	})

	It("with GitLab's CA is used at once, and writes nothing anywhere", func() {
		before, after := newCA(), newCA()
		w := newSecuredWorld(before)
		w.Create("production", withCAs)
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Secret("gitlab-ca", "ca.crt", string(before.PEM())+string(after.PEM()))
		w.AwaitRequests(2, "list")
		renewed, err := after.Issue(simulator.Certificate{})
		Expect(err).NotTo(HaveOccurred())
		w.Server.SetCertificate(*renewed)
		w.Secret("gitlab-ca", "ca.crt", string(after.PEM()))
		w.AwaitRequests(3, "list")
		Expect(w.Requests()).To(HaveEach("GET list 200"))
		Expect(w.KubernetesWrites()).To(BeEmpty())
	})

	It("with the cluster's token is written to GitLab, the token alone", func() {
		w := newSecuredWorld(newCA())
		w.Create("production", withCAs)
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		w.Secret("gitlab-sa", "token", " sentinel-rotated\r\n")
		w.AwaitStatus("production", "the new version", func(o *scenario.Glic) bool {
			return o.Status.TokenSecretVersion != obj.Status.TokenSecretVersion
		})
		Expect(w.Cluster(obj).Token).To(Equal("sentinel-rotated"))
		Expect(w.LastBody()).To(MatchJSON(
			`{"platform_kubernetes_attributes":{"token":"sentinel-rotated"},"namespace_per_environment":true}`))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.KubernetesWrites()).To(HaveLen(1))
		w.StaysQuiet()
	})

	It("with the cluster's CA is written to GitLab, the CA alone", func() {
		w := newSecuredWorld(newCA())
		w.Create("production", withCAs)
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		renewed := certificate()
		w.Secret("gitlab-sa-ca", "ca.crt", "\n"+strings.ReplaceAll(renewed, "\n", "\r\n")+"\n")
		w.AwaitRequests(1, "edit")
		Expect(strings.ReplaceAll(text(w.Cluster(obj).CACert), "\r", "")).To(Equal(renewed))
		Expect(w.LastBody()).To(And(ContainSubstring(`"ca_cert"`), Not(ContainSubstring(`"token"`))))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		w.AwaitRequests(1, "list")
		Expect(len(w.KubernetesWrites())).To(BeNumerically("<=", 1))
		w.StaysQuiet()
	})

	It("that holds the token and the CA is written with one request", func() {
		w := newWorld()
		w.Secret("gitlab-sa", "token", w.ClusterToken, "ca.crt", certificate())
		w.Create("production", func(o *scenario.Glic) { o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "gitlab-sa"} })
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		renewed := certificate()
		w.Secret("gitlab-sa", "token", "sentinel-rotated", "ca.crt", renewed)
		w.AwaitRequests(1, "edit")
		Expect(text(w.Cluster(obj).CACert)).To(Equal(renewed))
		Expect(w.Cluster(obj).Token).To(Equal("sentinel-rotated"))
		w.AwaitRequests(1, "list")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		w.StaysQuiet()
	})

	It("reaches every object that names it", func() {
		w := newWorld()
		w.Create("one", scope("one"))
		w.Create("two", scope("two"))
		one, two := w.AwaitReady("one"), w.AwaitReady("two")
		w.ForgetRequests()
		w.Secret("gitlab-sa", "token", "sentinel-rotated")
		Eventually(func() []string { return []string{w.Cluster(one).Token, w.Cluster(two).Token} }, scenario.Patience, "20ms").
			Should(HaveEach("sentinel-rotated"))
		w.AwaitRequests(1, "list")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200", "PUT edit 200"}))
	})

	It("whose metadata alone changed costs one request with the token at most", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		for _, name := range []string{"gitlab-sa", "gitlab-admin"} {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name}}
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"team":"a"}}}`))
			Expect(w.CP.Client.Patch(w.Context(), secret, patch)).To(Succeed())
		}
		w.AwaitRequests(2, "list")
		Expect(len(w.Writes())).To(BeNumerically("<=", 1))
		Expect(len(w.KubernetesWrites())).To(BeNumerically("<=", 1))
		w.StaysQuiet()
	})
})

var _ = Describe("a Secret that is missing", func() {
	DescribeTable("is waited for, and its creation is enough",
		func(name, path string) {
			ca := newCA()
			w := newWorld(secured(ca, simulator.Certificate{}))
			contents := map[string][]string{
				"gitlab-admin": {"token", w.AdminToken}, "gitlab-sa": {"token", w.ClusterToken},
				"gitlab-ca": {"ca.crt", string(ca.PEM())}, "gitlab-sa-ca": {"ca.crt", certificate()},
			}
			for other, content := range contents {
				w.Secret(other, content...)
			}
			w.DeleteSecret(name)
			w.Create("production", withCAs)
			obj := w.Await("production", v1alpha1.ReasonSecretNotFound)
			Expect(scenario.Ready(obj).Message).To(And(ContainSubstring(name), ContainSubstring(path)))
			Expect(scenario.HasFinalizer(obj)).To(BeFalse())
			Expect(w.Requests()).To(BeEmpty())
			w.AwaitEvent("production", v1alpha1.ReasonSecretNotFound, name)
			w.Secret(name, contents[name]...)
			w.AwaitReady("production")
			Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		},
		Entry("GitLab's token", "gitlab-admin", "spec.gitlab.tokenSecretRef"),
		Entry("GitLab's CA", "gitlab-ca", "spec.gitlab.caSecretRef"),
		Entry("the cluster's token", "gitlab-sa", "spec.kubernetes.tokenSecretRef"),
		Entry("the cluster's CA", "gitlab-sa-ca", "spec.kubernetes.caSecretRef"),
	)

	It("while the object was Ready changes nothing in GitLab, drift included, until it is back", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		w.DeleteSecret("gitlab-sa")
		w.Await("production", v1alpha1.ReasonSecretNotFound)
		Expect(w.GitLab.EditOutOfBand(obj.Status.ClusterID, func(c *simulator.Cluster) { c.Name = "by hand" })).To(Succeed())
		w.AwaitRequests(2, "list")
		Expect(w.Writes()).To(BeEmpty())
		Expect(w.Cluster(obj).Token).To(Equal(w.ClusterToken))
		w.Secret("gitlab-sa", "token", w.ClusterToken)
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}))
		Expect(w.Cluster(obj).Name).To(Equal("production"))
	})
})

// jwt has the shape of a service account's token.
const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZW50aW5lbCJ9.c2VudGluZWwtc2lnbmF0dXJl"

var _ = Describe("a Secret's content", func() {
	DescribeTable("that cannot be used is refused by name and key, and may be put right",
		func(name string, keysAndValues func() []string, says ...string) {
			ca := newCA()
			w := newSecuredWorld(ca)
			w.Secret(name, keysAndValues()...)
			w.Create("production", withCAs)
			obj := w.Await("production", v1alpha1.ReasonInvalidSecret)
			for _, part := range append(says, name) {
				Expect(scenario.Ready(obj).Message).To(ContainSubstring(part))
			}
			Expect(w.Requests()).To(BeEmpty())
			right := map[string][]string{
				"gitlab-admin": {"token", w.AdminToken}, "gitlab-sa": {"token", w.ClusterToken},
				"gitlab-ca": {"ca.crt", string(ca.PEM())}, "gitlab-sa-ca": {"ca.crt", certificate()},
			}
			w.Secret(name, right[name]...)
			w.AwaitReady("production")
			Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		},
		Entry("a token under another key", "gitlab-sa", values("password", "sentinel"), `"token"`, "key"),
		Entry("an empty token", "gitlab-sa", values("token", ""), `"token"`, "empty"),
		Entry("a blank token", "gitlab-admin", values("token", " \n\t"), `"token"`, "empty"),
		Entry("a cluster token in base64 twice", "gitlab-sa", values("token", encoded(jwt)), `"token"`, "base64"),
		Entry("an access token in base64 twice", "gitlab-admin", values("token", encoded("glpat-sentinel-admin")), `"token"`, "base64"),
		Entry("a binary token", "gitlab-sa", values("token", "sentinel\xff\xfe\x00"), `"token"`, "UTF-8"),
		Entry("a token of two lines", "gitlab-sa", values("token", "sentinel-a\nsentinel-b"), `"token"`, "white space"),
		Entry("a CA under another key", "gitlab-ca", values("tls.crt", "x"), `"ca.crt"`, "key"),
		Entry("an empty CA", "gitlab-sa-ca", values("ca.crt", ""), `"ca.crt"`, "empty"),
		Entry("a CA in base64 twice", "gitlab-sa-ca", func() []string { return []string{"ca.crt", encoded(certificate())} }, `"ca.crt"`, "base64"),
		Entry("a binary CA", "gitlab-sa-ca", values("ca.crt", "\xff\xfe\x00"), `"ca.crt"`, "UTF-8"),
		Entry("a CA that is no PEM", "gitlab-ca", values("ca.crt", "sentinel"), `"ca.crt"`, "PEM"),
		Entry("a CA that is cut off", "gitlab-sa-ca", func() []string { return []string{"ca.crt", certificate()[:200]} }, `"ca.crt"`),
		Entry("a private key beside the CA", "gitlab-sa-ca", func() []string { return []string{"ca.crt", certificate() + "\n" + privateKey()} },
			`"ca.crt"`, "private key"),
	)

	DescribeTable("is taken as it is meant",
		func(token, ca func() string, wantToken string) {
			w := newWorld()
			w.Secret("gitlab-sa", "token", token())
			w.Secret("gitlab-admin", "token", w.AdminToken+"\n")
			bundle := ca()
			w.Secret("ca", "ca.crt", bundle)
			w.Create("production", func(o *scenario.Glic) { o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "ca"} })
			obj := w.AwaitReady("production")
			Expect(w.Cluster(obj).Token).To(Equal(wantToken))
			Expect(text(w.Cluster(obj).CACert)).To(Equal(strings.TrimSpace(bundle)))
			w.StaysQuiet()
		},
		Entry("a newline at the end", just("sentinel-x\n"), certificate, "sentinel-x"),
		Entry("CRLF", just("sentinel-x\r\n"), func() string { return strings.ReplaceAll(certificate()+"\n", "\n", "\r\n") }, "sentinel-x"),
		Entry("a service account's token", just(jwt), certificate, jwt),
		Entry("two certificates", just("sentinel-x"), func() string { return certificate() + "\n" + certificate() + "\n" }, "sentinel-x"),
		Entry("an expired certificate", just("sentinel-x"), func() string { return certificateUntil(time.Now().AddDate(0, -1, 0)) }, "sentinel-x"),
	)

	It("of type kubernetes.io/service-account-token works as it is", func() {
		w := newWorld()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "gitlab"}}
		Expect(w.CP.Client.Create(w.Context(), account)).To(Succeed())
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "gitlab-token",
			Annotations: map[string]string{corev1.ServiceAccountNameKey: "gitlab"}}, Type: corev1.SecretTypeServiceAccountToken,
			Data: map[string][]byte{"token": []byte(jwt), "ca.crt": []byte(certificate() + "\n"), "namespace": []byte(w.Namespace)}}
		Expect(w.CP.Client.Create(w.Context(), secret)).To(Succeed())
		w.Create("production", func(o *scenario.Glic) {
			o.Spec.Kubernetes.TokenSecretRef.Name = "gitlab-token"
			o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "gitlab-token"}
		})
		Expect(w.Cluster(w.AwaitReady("production")).Token).To(Equal(jwt))
	})

	DescribeTable("that Kubernetes denies the manager stalls the object and names the missing rule",
		func(verbs ...string) {
			w := newWorld()
			user := w.Namespace + "-manager"
			w.CP.Grant(GinkgoT(), w.Namespace, user,
				rbacv1.PolicyRule{APIGroups: []string{"gitlab.clusterops.dev"}, Resources: []string{"gitlabinstanceclusters"},
					Verbs: []string{"get", "list", "watch", "patch"}},
				rbacv1.PolicyRule{APIGroups: []string{"gitlab.clusterops.dev"}, Resources: []string{"gitlabinstanceclusters/status"},
					Verbs: []string{"patch"}},
				rbacv1.PolicyRule{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create"}})
			if len(verbs) > 0 {
				w.CP.Grant(GinkgoT(), w.Namespace, user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: verbs})
			}
			controlplane.StartManager(GinkgoT(), w.CP.User(GinkgoT(), user), "--watch-namespaces="+w.Namespace,
				"--sync-interval="+syncInterval, "--watch-label-selector="+ownLabel)
			w.Create("production", own)
			obj := w.Await("production", v1alpha1.ReasonSecretForbidden)
			Expect(scenario.Ready(obj).Message).To(And(ContainSubstring("gitlab-admin"), ContainSubstring("secrets"), ContainSubstring("get")))
			Expect(w.Requests()).To(BeEmpty())
			w.CP.Grant(GinkgoT(), w.Namespace, user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"},
				Verbs: []string{"get", "list", "watch"}})
			w.AwaitReady("production")
		},
		Entry("to get", "list", "watch"),
		Entry("at all"),
	)
})

func values(keysAndValues ...string) func() []string { return func() []string { return keysAndValues } }

func just(s string) func() string { return func() string { return s } }

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
