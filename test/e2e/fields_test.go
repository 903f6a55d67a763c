// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// step is one edit of the spec: the body of the one request that it leads to, "" for none, and what GitLab then has.
type step struct {
	edit func(*scenario.Glic)
	body string
	want any
}

// field is a field of the spec from its creation on.
type field struct {
	set   func(*scenario.Glic)
	first any
	// have reads the field from GitLab's cluster.
	have  func(simulator.Cluster) any
	steps []step
}

// null is what text makes of GitLab's null.
const null = "(null)"

func text(s *string) string {
	if s == nil {
		return null
	}
	return *s
}

var _ = Describe("a field of the spec", func() {
	DescribeTable("is set, changed and cleared with one request and one write each",
		func(f field) {
			w := newWorld()
			w.GitLab.AddProject(simulator.Project{ID: 41})
			w.GitLab.AddProject(simulator.Project{ID: 42})
			w.Secret("second", "token", "sentinel-second", "other", "sentinel-other")
			w.Secret("ca-one", "ca.crt", certificate(), "other", certificate())
			w.Create("production", f.set)
			obj := w.AwaitReady("production")
			Expect(f.have(w.Cluster(obj))).To(BeEquivalentTo(f.first), "at creation")
			Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
			for i, s := range f.steps {
				w.ForgetRequests()
				w.Edit("production", s.edit)
				obj = w.AwaitReady("production")
				Expect(f.have(w.Cluster(obj))).To(BeEquivalentTo(s.want), "step %d", i)
				Expect(w.KubernetesWrites()).To(HaveLen(1), "step %d", i)
				if s.body == "" {
					Expect(w.Writes()).To(BeEmpty(), "step %d", i)
					continue
				}
				Expect(w.Writes()).To(Equal([]string{"PUT edit 200"}), "step %d", i)
				Expect(w.LastBody()).To(MatchJSON(s.body), "step %d", i)
			}
			w.StaysQuiet()
		},
		Entry("name", field{
			set:   func(o *scenario.Glic) { o.Spec.Name = "First Name" },
			first: "First Name",
			have:  func(c simulator.Cluster) any { return c.Name },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Name = "second/näme" }, `{"name":"second/näme","namespace_per_environment":true}`, "second/näme"},
				{func(o *scenario.Glic) { o.Spec.Name = "" }, `{"name":"production","namespace_per_environment":true}`, "production"},
			}}),
		Entry("environmentScope", field{
			set:   scope("production/*"),
			first: "production/*",
			have:  func(c simulator.Cluster) any { return c.EnvironmentScope },
			steps: []step{
				{scope("review ${X}/*"), `{"environment_scope":"review ${X}/*","namespace_per_environment":true}`, "review ${X}/*"},
				{scope(""), `{"environment_scope":"*","namespace_per_environment":true}`, "*"},
			}}),
		Entry("domain", field{
			set:   func(o *scenario.Glic) { o.Spec.Domain = "one.example.com" },
			first: "one.example.com",
			have:  func(c simulator.Cluster) any { return text(c.Domain) },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Domain = "Two.example.com" }, `{"domain":"Two.example.com","namespace_per_environment":true}`, "Two.example.com"},
				{func(o *scenario.Glic) { o.Spec.Domain = "" }, `{"domain":null,"namespace_per_environment":true}`, null},
			}}),
		Entry("managementProjectID", field{
			set:   func(o *scenario.Glic) { o.Spec.ManagementProjectID = new(int64(41)) },
			first: int64(41),
			have: func(c simulator.Cluster) any {
				if c.ManagementProjectID == nil {
					return null
				}
				return *c.ManagementProjectID
			},
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.ManagementProjectID = new(int64(42)) }, `{"management_project_id":42,"namespace_per_environment":true}`, int64(42)},
				{func(o *scenario.Glic) { o.Spec.ManagementProjectID = nil }, `{"management_project_id":null,"namespace_per_environment":true}`, null},
			}}),
		Entry("enabled", field{
			set:   func(o *scenario.Glic) { o.Spec.Enabled = new(false) },
			first: false,
			have:  func(c simulator.Cluster) any { return *c.Enabled },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Enabled = new(true) }, `{"enabled":true,"namespace_per_environment":true}`, true},
				{func(o *scenario.Glic) { o.Spec.Enabled = new(false) }, `{"enabled":false,"namespace_per_environment":true}`, false},
				{func(o *scenario.Glic) { o.Spec.Enabled = nil }, `{"enabled":true,"namespace_per_environment":true}`, true},
			}}),
		Entry("managed", field{
			set:   func(o *scenario.Glic) { o.Spec.Managed = new(false) },
			first: false,
			have:  func(c simulator.Cluster) any { return c.Managed },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Managed = new(true) }, `{"managed":true,"namespace_per_environment":true}`, true},
				{func(o *scenario.Glic) { o.Spec.Managed = new(false) }, `{"managed":false,"namespace_per_environment":true}`, false},
				{func(o *scenario.Glic) { o.Spec.Managed = nil }, `{"managed":true,"namespace_per_environment":true}`, true},
			}}),
		Entry("namespacePerEnvironment", field{
			set:   func(o *scenario.Glic) { o.Spec.NamespacePerEnvironment = new(false) },
			first: false,
			have:  func(c simulator.Cluster) any { return c.NamespacePerEnvironment },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Domain = "example.com" }, `{"domain":"example.com","namespace_per_environment":false}`, false},
				{func(o *scenario.Glic) { o.Spec.NamespacePerEnvironment = new(true) }, `{"namespace_per_environment":true}`, true},
				{func(o *scenario.Glic) { o.Spec.NamespacePerEnvironment = new(false) }, `{"namespace_per_environment":false}`, false},
				{func(o *scenario.Glic) { o.Spec.NamespacePerEnvironment = nil }, `{"namespace_per_environment":true}`, true},
			}}),
		Entry("kubernetes.apiURL", field{
			set:   func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://One.example.com:6443/" },
			first: "https://One.example.com:6443/",
			have:  func(c simulator.Cluster) any { return c.APIURL },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://two.example.com/k8s" },
					`{"platform_kubernetes_attributes":{"api_url":"https://two.example.com/k8s"},"namespace_per_environment":true}`,
					"https://two.example.com/k8s"},
			}}),
		Entry("kubernetes.tokenSecretRef", field{
			set:   func(o *scenario.Glic) { o.Spec.Kubernetes.TokenSecretRef.Key = "token" },
			first: "sentinel-cluster-token",
			have:  func(c simulator.Cluster) any { return strings.TrimRight(c.Token, "-0123456789") },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Kubernetes.TokenSecretRef.Name = "second" },
					`{"platform_kubernetes_attributes":{"token":"sentinel-second"},"namespace_per_environment":true}`, "sentinel-second"},
				{func(o *scenario.Glic) { o.Spec.Kubernetes.TokenSecretRef.Key = "other" },
					`{"platform_kubernetes_attributes":{"token":"sentinel-other"},"namespace_per_environment":true}`, "sentinel-other"},
				{func(o *scenario.Glic) { o.Spec.Kubernetes.TokenSecretRef.Key = "" },
					`{"platform_kubernetes_attributes":{"token":"sentinel-second"},"namespace_per_environment":true}`, "sentinel-second"},
			}}),
		Entry("kubernetes.namespace", field{
			set: func(o *scenario.Glic) {
				o.Spec.Managed = new(false)
				o.Spec.Kubernetes.Namespace = "jobs"
			},
			first: "jobs",
			have:  func(c simulator.Cluster) any { return text(c.Namespace) },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.Kubernetes.Namespace = "other-jobs" },
					`{"platform_kubernetes_attributes":{"namespace":"other-jobs"},"namespace_per_environment":true}`, "other-jobs"},
				{func(o *scenario.Glic) { o.Spec.Kubernetes.Namespace = "" },
					`{"platform_kubernetes_attributes":{"namespace":null},"namespace_per_environment":true}`, null},
			}}),
		Entry("kubernetes.authorizationType", field{
			set:   func(o *scenario.Glic) { o.Spec.Kubernetes.AuthorizationType = v1alpha1.AuthorizationABAC },
			first: "abac",
			have:  func(c simulator.Cluster) any { return c.AuthorizationType },
		}),
		Entry("the policies, which are the operator's alone", field{
			set:   func(o *scenario.Glic) { o.Spec.DeletionPolicy = v1alpha1.DeletionOrphan },
			first: "production",
			have:  func(c simulator.Cluster) any { return c.Name },
			steps: []step{
				{func(o *scenario.Glic) { o.Spec.DeletionPolicy = v1alpha1.DeletionDelete }, "", "production"},
				{func(o *scenario.Glic) { o.Spec.DriftPolicy = v1alpha1.DriftReport }, "", "production"},
				{func(o *scenario.Glic) { o.Spec.DriftPolicy = v1alpha1.DriftCorrect }, "", "production"},
				{func(o *scenario.Glic) { o.Spec.AdoptionPolicy = v1alpha1.AdoptionMatching }, "", "production"},
				{func(o *scenario.Glic) { o.Spec.ClusterID = new(o.Status.ClusterID) }, "", "production"},
				{func(o *scenario.Glic) { o.Spec.ClusterID = nil }, "", "production"},
			}}),
	)

	It("sends a certificate, changes it, and clears it", func() {
		w := newWorld()
		one, two := certificate(), certificate()
		w.Secret("ca", "ca.crt", one+"\n", "second", two)
		w.Create("production", func(o *scenario.Glic) { o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "ca"} })
		obj := w.AwaitReady("production")
		Expect(text(w.Cluster(obj).CACert)).To(Equal(one))
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Kubernetes.CASecretRef.Key = "second" })
		Expect(text(w.Cluster(w.AwaitReady("production")).CACert)).To(Equal(two))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Kubernetes.CASecretRef = nil })
		Expect(text(w.Cluster(w.AwaitReady("production")).CACert)).To(Equal(null))
		Expect(w.LastBody()).To(MatchJSON(`{"platform_kubernetes_attributes":{"ca_cert":null},"namespace_per_environment":true}`))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200", "PUT edit 200"}))
		Expect(w.KubernetesWrites()).To(HaveLen(2))
		w.StaysQuiet()
	})

	It("names the connection, whose change writes nothing to GitLab", func() {
		w := newWorld()
		w.GitLab.SetToken(simulator.Token{Value: "glpat-sentinel-second", Name: "second", Scopes: []string{"api", "admin_mode"}})
		w.Secret("second", "token", "glpat-sentinel-second")
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.TokenSecretRef.Name = "second" })
		w.AwaitReady("production")
		Expect(w.AwaitRequests(1, "list").Token).To(Equal("second"))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.URL += "/" })
		w.AwaitReady("production")
		Expect(w.Writes()).To(BeEmpty())
		Expect(w.KubernetesWrites()).To(HaveLen(2))
		w.StaysQuiet()
	})

	It("sends all that is set, in one request", func() {
		w := newWorld()
		w.GitLab.AddProject(simulator.Project{ID: 42})
		w.Secret("ca", "ca.crt", certificate())
		w.Create("production", complete)
		cluster := w.Cluster(w.AwaitReady("production"))
		Expect(summary(cluster)).To(Equal(completeSummary))
		Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		Expect(w.KubernetesWrites()).To(HaveLen(2))
		w.StaysQuiet()
	})

	It("leads to the same cluster on whatever way the spec came to be", func() {
		direct, detour := newWorld(), newWorld()
		for _, w := range []*scenario.World{direct, detour} {
			w.GitLab.AddProject(simulator.Project{ID: 42})
			w.Secret("ca", "ca.crt", certificate())
		}
		direct.Create("production", complete)
		detour.Create("production", func(o *scenario.Glic) { o.Spec.Kubernetes.AuthorizationType = v1alpha1.AuthorizationABAC })
		detour.AwaitReady("production")
		detour.Edit("production", func(o *scenario.Glic) { o.Spec.Domain, o.Spec.EnvironmentScope = "other.example.com", "other" })
		detour.Edit("production", complete)
		Expect(summary(detour.Cluster(detour.AwaitReady("production")))).To(Equal(summary(direct.Cluster(direct.AwaitReady("production")))))
		detour.StaysQuiet()
	})

	It("that is the namespace goes in the same request in which GitLab takes the namespaces over", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Managed, o.Spec.Kubernetes.Namespace = new(false), "jobs" })
		Expect(text(w.Cluster(w.AwaitReady("production")).Namespace)).To(Equal("jobs"))
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Managed, o.Spec.Kubernetes.Namespace = nil, "" })
		Expect(text(w.Cluster(w.AwaitReady("production")).Namespace)).To(Equal(null))
		Expect(w.LastBody()).To(MatchJSON(
			`{"managed":true,"platform_kubernetes_attributes":{"namespace":null},"namespace_per_environment":true}`))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://other.example.com" })
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"PUT edit 200", "PUT edit 200"}))
	})

	It("cannot be the authorization type once GitLab has the cluster", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		obj.Spec.Kubernetes.AuthorizationType = v1alpha1.AuthorizationABAC
		Expect(w.CP.Client.Update(w.Context(), obj)).To(MatchError(ContainSubstring("cannot change once GitLab has the cluster")))
	})
})

// complete sets every field that GitLab has.
func complete(o *scenario.Glic) {
	o.Spec.Name = "Production cluster"
	o.Spec.EnvironmentScope = "production/*"
	o.Spec.Domain = "apps.example.com"
	o.Spec.ManagementProjectID = new(int64(42))
	o.Spec.Enabled, o.Spec.Managed, o.Spec.NamespacePerEnvironment = new(false), new(false), new(false)
	o.Spec.Kubernetes.APIURL = "https://complete.example.com:6443"
	o.Spec.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "ca"}
	o.Spec.Kubernetes.Namespace = "jobs"
	o.Spec.Kubernetes.AuthorizationType = v1alpha1.AuthorizationABAC
}

var completeSummary = map[string]any{
	"name": "Production cluster", "scope": "production/*", "domain": "apps.example.com", "project": int64(42), "enabled": false,
	"managed": false, "per environment": false, "api": "https://complete.example.com:6443", "ca": true,
	"namespace": "jobs", "type": "abac", "provider": "user", "token": true,
}

// summary is what a cluster is, apart from its identity and what is different in each world.
func summary(c simulator.Cluster) map[string]any {
	s := map[string]any{
		"name": c.Name, "scope": c.EnvironmentScope, "domain": text(c.Domain), "enabled": *c.Enabled, "managed": c.Managed,
		"per environment": c.NamespacePerEnvironment, "api": c.APIURL, "ca": c.CACert != nil, "namespace": text(c.Namespace),
		"type": c.AuthorizationType, "provider": c.ProviderType, "token": strings.HasPrefix(c.Token, scenario.Sentinel), "project": nil,
	}
	if c.ManagementProjectID != nil {
		s["project"] = *c.ManagementProjectID
	}
	return s
}
