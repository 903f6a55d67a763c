// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// trouble is what comes between the manager and GitLab, what the object says of it, and how it ends.
type trouble struct {
	begin  func(*scenario.World)
	reason string
	says   []string
	end    func(*scenario.World)
}

// answering has GitLab answer every request otherwise than it would.
func answering(a simulator.Answer) func(*scenario.World) {
	return faulty(simulator.Fault{Answer: &a})
}

func faulty(f simulator.Fault) func(*scenario.World) {
	return func(w *scenario.World) { w.GitLab.Inject(f) }
}

func faultless(w *scenario.World) { w.GitLab.RemoveFaults() }

func newToken(t simulator.Token) func(*scenario.World) {
	return func(w *scenario.World) {
		t.Value = w.AdminToken
		w.GitLab.SetToken(t)
	}
}

// valid puts another, valid token into the Secret.
func valid(w *scenario.World) {
	w.GitLab.SetToken(simulator.Token{Value: "glpat-sentinel-valid", Name: "valid", Scopes: []string{"api", "admin_mode"}})
	w.Secret("gitlab-admin", "token", "glpat-sentinel-valid")
}

var _ = Describe("trouble with GitLab", func() {
	DescribeTable("is said by every object that has work to do, and ends with it, with nothing lost or added twice",
		func(t trouble) {
			w, fresh := newWorld(), newWorld()
			w.Create("production")
			before := w.AwaitReady("production")
			w.ForgetRequests()
			t.begin(w)
			t.begin(fresh)
			w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
			fresh.Create("production")
			for _, w := range []*scenario.World{w, fresh} {
				obj := w.Await("production", t.reason)
				for _, part := range t.says {
					Expect(scenario.Ready(obj).Message).To(ContainSubstring(part))
				}
				Expect(scenario.HasFinalizer(obj)).To(Equal(w != fresh))
			}
			fresh.AwaitEvent("production", t.reason, t.says...)
			Expect(w.GitLab.Clusters()).To(HaveLen(1))
			t.end(w)
			t.end(fresh)
			obj := w.AwaitReady("production")
			Expect(obj.Status.ClusterID).To(Equal(before.Status.ClusterID))
			Expect(*w.Cluster(obj).Domain).To(Equal("example.com"))
			Expect(w.Writes()).NotTo(ContainElement(ContainSubstring("add")))
			fresh.AwaitReady("production")
			Expect(fresh.Writes()).To(Equal([]string{"POST add 201"}))
		},
		Entry("a token that GitLab does not know", trouble{
			func(w *scenario.World) { w.GitLab.ForgetToken("admin") }, v1alpha1.ReasonUnauthorized, []string{"401", "spec.gitlab.tokenSecretRef"}, valid}),
		Entry("a revoked token", trouble{
			func(w *scenario.World) { w.GitLab.RevokeToken("admin") }, v1alpha1.ReasonUnauthorized, []string{"revoked"}, valid}),
		Entry("an expired token", trouble{
			newToken(simulator.Token{Scopes: []string{"api"}, ExpiresAt: time.Now().Add(-time.Hour)}), v1alpha1.ReasonUnauthorized, []string{"expired"}, valid}),
		Entry("a token of somebody who is no administrator", trouble{
			newToken(simulator.Token{Scopes: []string{"api"}, User: simulator.User{ID: 7}}), v1alpha1.ReasonForbidden,
			[]string{"administrator", "admin_mode"}, valid}),
		Entry("a token without the scope api", trouble{
			newToken(simulator.Token{Scopes: []string{"read_user"}}), v1alpha1.ReasonForbidden, []string{"higher privileges", "scope api"}, valid}),
		Entry("Admin Mode and a token without its scope", trouble{
			func(w *scenario.World) {
				w.GitLab.SetAdminMode(true)
				newToken(simulator.Token{Scopes: []string{"api"}})(w)
			}, v1alpha1.ReasonForbidden, []string{"admin_mode"}, valid}),
		Entry("a blocked account", trouble{
			newToken(simulator.Token{Scopes: []string{"api"}, User: simulator.User{ID: 7, Admin: true, Denial: simulator.Blocked}}),
			v1alpha1.ReasonForbidden, []string{"blocked"}, valid}),
		Entry("the feature flag off", trouble{
			func(w *scenario.World) { w.GitLab.SetFeature(false) }, v1alpha1.ReasonFeatureDisabled, []string{"certificate_based_clusters"},
			func(w *scenario.World) { w.GitLab.SetFeature(true) }}),
		Entry("a GitLab without the API", trouble{
			func(w *scenario.World) { w.GitLab.SetAPIRemoved(true) }, v1alpha1.ReasonFeatureDisabled, []string{"spec.gitlab.url"},
			func(w *scenario.World) { w.GitLab.SetAPIRemoved(false) }}),
		Entry("a GitLab that is down", trouble{
			func(w *scenario.World) { w.Server.Stop() }, v1alpha1.ReasonGitLabUnreachable, []string{"refused"},
			func(w *scenario.World) { Expect(w.Server.Start()).To(Succeed()) }}),
		Entry("connections that break", trouble{faulty(simulator.Fault{Drop: simulator.DropReset}), v1alpha1.ReasonGitLabUnreachable, nil, faultless}),
		Entry("connections that end", trouble{faulty(simulator.Fault{Drop: simulator.DropClose}), v1alpha1.ReasonGitLabUnreachable, nil, faultless}),
		Entry("a server error", trouble{
			answering(simulator.Answer{Status: 500, Body: `{"message":"500 Internal Server Error"}`}), v1alpha1.ReasonGitLabError, []string{"500"}, faultless}),
		Entry("a GitLab that is starting", trouble{
			answering(simulator.Answer{Status: 502, Body: simulator.BadGatewayPage}), v1alpha1.ReasonGitLabError, []string{"502"}, faultless}),
		Entry("a page instead of JSON", trouble{
			answering(simulator.Answer{Status: 200, Body: "<html><body>Sign in</body></html>"}), v1alpha1.ReasonGitLabError, nil, faultless}),
		Entry("JSON that is no list", trouble{
			answering(simulator.Answer{Status: 200, Body: `{"clusters":[]}`}), v1alpha1.ReasonGitLabError, nil, faultless}),
		Entry("an answer that is cut off", trouble{
			faulty(simulator.Fault{Point: simulator.AfterHandling, CutAll: true}), v1alpha1.ReasonGitLabError, nil, faultless}),
		Entry("an answer without end", trouble{
			answering(simulator.Answer{Status: 200, Endless: true}), v1alpha1.ReasonGitLabError, nil, faultless}),
		Entry("an empty answer", trouble{answering(simulator.Answer{Status: 200}), v1alpha1.ReasonGitLabError, nil, faultless}),
	)

	DescribeTable("that is a redirect is not followed, and the token is sent nowhere else",
		func(status int, elsewhere bool) {
			w, other := newWorld(), newWorld()
			w.Create("production")
			w.AwaitReady("production")
			to := w
			if elsewhere {
				to = other
			}
			w.ForgetRequests()
			w.GitLab.Inject(simulator.Fault{Answer: &simulator.Answer{Status: status,
				Header: http.Header{"Location": {to.Server.URL + "/users/sign_in"}}}})
			w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
			obj := w.Await("production", v1alpha1.ReasonUnexpectedRedirect)
			Expect(scenario.Ready(obj).Message).To(ContainSubstring("spec.gitlab.url"))
			w.AwaitRequests(1, "list")
			Expect(w.GitLab.Count("", "sign_in")).To(BeZero())
			Expect(other.Requests()).To(BeEmpty())
			w.GitLab.RemoveFaults()
			w.AwaitReady("production")
		},
		Entry("301 within the host", 301, false),
		Entry("301", 301, true),
		Entry("302", 302, true),
		Entry("307", 307, true),
		Entry("308", 308, true),
	)

	DescribeTable("with its certificate names the field that heals it, and is never overlooked",
		func(c simulator.Certificate, withCA bool, says string) {
			ca := newCA()
			w := newWorld(secured(ca, c))
			w.Secret("gitlab-ca", "ca.crt", string(ca.PEM()))
			w.Create("production", func(o *scenario.Glic) {
				if withCA {
					o.Spec.GitLab.CASecretRef = &v1alpha1.CASecretRef{Name: "gitlab-ca"}
				}
			})
			obj := w.Await("production", v1alpha1.ReasonTLSVerificationFailed)
			Expect(scenario.Ready(obj).Message).To(And(ContainSubstring("spec.gitlab.caSecretRef"), ContainSubstring(says)))
			Expect(w.Requests()).To(BeEmpty())
			right, err := ca.Issue(simulator.Certificate{})
			Expect(err).NotTo(HaveOccurred())
			w.Server.SetCertificate(*right)
			w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.CASecretRef = &v1alpha1.CASecretRef{Name: "gitlab-ca"} })
			w.AwaitReady("production")
			Expect(w.Writes()).To(Equal([]string{"POST add 201"}))
		},
		Entry("of an unknown authority", simulator.Certificate{}, false, "unknown authority"),
		Entry("that has expired", simulator.Certificate{NotBefore: time.Now().AddDate(0, -2, 0), NotAfter: time.Now().AddDate(0, -1, 0)}, true, "expired"),
		Entry("for another host", simulator.Certificate{Hosts: []string{"gitlab.example.com"}}, true, "127.0.0.1"),
	)

	It("that is a name that does not resolve is retried", func() {
		w := newWorld()
		w.Create("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = "http://gitlab.invalid" })
		obj := w.Await("production", v1alpha1.ReasonGitLabUnreachable)
		Expect(scenario.Ready(obj).Message).To(ContainSubstring("gitlab.invalid"))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = w.Server.URL })
		w.AwaitReady("production")
	})

	It("that is a rate limit stops all requests for as long as it asks", func() {
		w := newWorld()
		w.Create("production")
		w.AwaitReady("production")
		w.ForgetRequests()
		w.GitLab.Inject(simulator.Fault{Times: 1, Answer: &simulator.Answer{Status: 429, Body: "Retry later\n",
			Header: http.Header{"Retry-After": {"4"}, "Content-Type": {"text/plain"}}}})
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.Await("production", v1alpha1.ReasonRateLimited)
		w.AwaitReady("production")
		journal := w.GitLab.Journal()
		for i, e := range journal {
			if e.Status == 429 {
				Expect(journal[i+1].Began.Sub(e.Ended)).To(BeNumerically(">=", 3900*time.Millisecond))
			}
		}
		Expect(w.Writes()).To(ContainElement("PUT edit 200"))
	})

	It("does not reach the objects of another GitLab", func() {
		w, other := newWorld(), newWorld()
		w.Create("production")
		other.Create("production")
		w.AwaitReady("production")
		other.AwaitReady("production")
		w.GitLab.Inject(simulator.Fault{Answer: &simulator.Answer{Status: 429, Header: http.Header{"Retry-After": {"2"}}}})
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.Await("production", v1alpha1.ReasonRateLimited)
		other.StaysQuiet()
		w.GitLab.RemoveFaults()
		w.AwaitReady("production")
	})

	DescribeTable("that hits one edit is retried",
		func(f simulator.Fault) {
			w := newWorld()
			w.Create("production")
			w.AwaitReady("production")
			w.ForgetRequests()
			f.Endpoint, f.Times = "edit", 1
			w.GitLab.Inject(f)
			w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
			w.Await("production", v1alpha1.ReasonGitLabError, v1alpha1.ReasonGitLabUnreachable)
			w.AwaitReady("production")
			Expect(w.GitLab.Writes()).To(HaveLen(2))
			w.StaysQuiet()
		},
		Entry("500", simulator.Fault{Answer: &simulator.Answer{Status: 500}}),
		Entry("502", simulator.Fault{Answer: &simulator.Answer{Status: 502, Body: simulator.BadGatewayPage}}),
		Entry("no answer", simulator.Fault{Drop: simulator.DropReset}),
		Entry("another success", simulator.Fault{Answer: &simulator.Answer{Status: 202, Body: "{}"}}),
	)
})

var _ = Describe("an edit whose answer is lost", func() {
	It("is repeated at most once", func() {
		w := newWorld()
		ownManager("--sync-interval=1h")
		w.Create("production", own)
		w.AwaitReady("production")
		w.GitLab.Inject(simulator.Fault{Endpoint: "edit", Times: 1, Point: simulator.AfterHandling, Drop: simulator.DropReset})
		w.ForgetRequests()
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.Await("production", v1alpha1.ReasonGitLabUnreachable)
		w.AwaitReady("production")
		Expect(len(w.GitLab.Writes())).To(BeNumerically("<=", 2))
	})
})

var _ = Describe("a refusal of GitLab's", func() {
	strict := func(o *simulator.Options, _ *simulator.ServerOptions) { o.Outbound = simulator.Outbound{} }
	private := func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://10.0.0.1:6443" }
	public := func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://203.0.113.1:6443" }

	It("of a private address is quoted with the remedy, and a good spec is enough", func() {
		w := newWorld(strict)
		w.Create("production", private)
		obj := w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		Expect(scenario.Ready(obj).Message).To(And(ContainSubstring("platform_kubernetes.api_url"),
			ContainSubstring("Requests to the local network are not allowed"), ContainSubstring("Outbound requests")))
		w.Edit("production", public)
		w.AwaitReady("production")
		Expect(w.Writes()).To(Equal([]string{"POST add 400", "POST add 201"}))
	})

	It("of an edit leaves the cluster as it was, until a good spec comes", func() {
		w := newWorld(strict)
		w.Create("production", public)
		obj := w.AwaitReady("production")
		w.ForgetRequests()
		w.Edit("production", private)
		w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		Expect(w.Cluster(obj).APIURL).To(Equal("https://203.0.113.1:6443"))
		w.AwaitRequests(2, "list")
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Kubernetes.APIURL = "https://203.0.113.2:6443" })
		Expect(w.Cluster(w.AwaitReady("production")).APIURL).To(Equal("https://203.0.113.2:6443"))
		Expect(w.Writes()).To(Equal([]string{"PUT edit 400", "PUT edit 200"}))
	})

	It("heals by itself when an administrator allows it", func() {
		w := newWorld(strict)
		w.Create("production", private)
		w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		w.GitLab.SetOutbound(simulator.Outbound{AllowLocal: true})
		w.AwaitReady("production")
		Expect(w.GitLab.Clusters()).To(HaveLen(1))
	})

	It("of a management project that does not exist is quoted, and heals", func() {
		w := newWorld()
		w.Create("production", func(o *scenario.Glic) { o.Spec.ManagementProjectID = new(int64(42)) })
		obj := w.Await("production", v1alpha1.ReasonRejectedByGitLab)
		Expect(scenario.Ready(obj).Message).To(And(ContainSubstring("Project does not exist"), ContainSubstring("spec.managementProjectID")))
		w.GitLab.AddProject(simulator.Project{ID: 42})
		w.AwaitReady("production")
	})
})

var _ = Describe("a GitLab below a path", func() {
	below := func(o *simulator.Options, _ *simulator.ServerOptions) { o.BasePath = "/gitlab" }

	It("is used there", func() {
		w := newWorld(below)
		w.Create("production")
		obj := w.AwaitReady("production")
		Expect(obj.Status.ClusterURL).To(Equal(fmt.Sprintf("%s/admin/clusters/%d", w.Server.URL, obj.Status.ClusterID)))
		Expect(w.Server.URL).To(HaveSuffix("/gitlab"))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		w.AwaitReady("production")
		w.Delete("production")
		w.AwaitGone("production")
		Expect(w.Writes()).To(Equal([]string{"POST add 201", "PUT edit 200", "DELETE delete 204"}))
	})

	It("is not found without the path", func() {
		w := newWorld(below)
		w.Create("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = strings.TrimSuffix(w.Server.URL, "/gitlab") })
		w.Await("production", v1alpha1.ReasonFeatureDisabled)
		w.Edit("production", func(o *scenario.Glic) { o.Spec.GitLab.URL = w.Server.URL })
		w.AwaitReady("production")
	})
})
