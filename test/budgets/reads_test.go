// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package budgets

import (
	"crypto/tls"
	"encoding/pem"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

var _ = Describe("An idle manager", func() {
	It("has watched no more of Secrets than their metadata, and reads nothing", func() {
		w := scenario.NewWorld(GinkgoT(), cp)
		own := func(o *scenario.Glic) { o.Labels = map[string]string{ownLabel: "reads"} }
		reads := newReads(cp.Config)
		controlplane.StartManager(GinkgoT(), reads.config(cp.ManagerConfig(GinkgoT())), often, "--watch-label-selector="+ownLabel+"=reads")
		w.Create("one", own)
		before := w.AwaitReady("one").Status.TokenSecretVersion
		w.Secret("gitlab-sa", "token", scenario.Sentinel+"-rotated")
		w.AwaitStatus("one", "the new token", func(o *scenario.Glic) bool { return o.Status.TokenSecretVersion != before })

		whole, metadata := reads.ofSecrets()
		Expect(metadata).NotTo(BeEmpty(), "the watch of the metadata")
		for _, path := range whole {
			Expect(path).To(BeElementOf(
				"/api/v1/namespaces/"+w.Namespace+"/secrets/gitlab-admin",
				"/api/v1/namespaces/"+w.Namespace+"/secrets/gitlab-sa"), "a Secret read whole must be one of the object's, by name")
		}

		w.AwaitRequests(1, "list") // the last pass is over
		mark := cp.Audit.Now(GinkgoT())
		w.AwaitRequests(3, "list")
		for _, r := range cp.Audit.Since(GinkgoT(), mark, controlplane.By(controlplane.ManagerUser)) {
			Expect(r.Verb).To(Equal("watch"), "%s", r)
		}
	})
})

// reads is a proxy in front of the API server that notes who asked for Secrets, and for what of them.
type reads struct {
	server *httptest.Server

	mu              sync.Mutex
	whole, metadata []string
}

func newReads(api *rest.Config) *reads {
	GinkgoHelper()
	target, _, err := rest.DefaultServerUrlFor(api)
	Expect(err).NotTo(HaveOccurred())
	trusted, err := rest.TLSConfigFor(rest.AnonymousClientConfig(api))
	Expect(err).NotTo(HaveOccurred())
	trusted.MinVersion = tls.VersionTLS12
	transport := &http.Transport{TLSClientConfig: trusted, MaxIdleConnsPerHost: 10}
	forward := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, ErrorLog: log.New(GinkgoWriter, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	r := &reads{}
	// Over TLS: the client library sends its token no other way.
	r.server = httptest.NewTLSServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		r.note(request)
		forward.ServeHTTP(answer, request)
	}))
	DeferCleanup(func() {
		r.server.CloseClientConnections()
		r.server.Close()
		transport.CloseIdleConnections()
	})
	return r
}

// config is the access that config has, by way of the proxy.
func (r *reads) config(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Host = r.server.URL
	config.TLSClientConfig = rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})}
	return config
}

func (r *reads) note(request *http.Request) {
	if !strings.Contains(request.URL.Path+"/", "/secrets/") {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// The API server answers in the first form that it knows, and it knows this one.
	first, _, _ := strings.Cut(request.Header.Get("Accept"), ",")
	if strings.Contains(first, "as=PartialObjectMetadata") {
		r.metadata = append(r.metadata, request.URL.Path)
	} else {
		r.whole = append(r.whole, request.URL.Path)
	}
}

// ofSecrets are the paths of the Secrets that were asked for whole, and for their metadata alone.
func (r *reads) ofSecrets() (whole, metadata []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(whole, r.whole...), append(metadata, r.metadata...)
}
