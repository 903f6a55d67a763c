// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package budgets

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// requests counts requests to GitLab by endpoint: list, get, add, edit, delete.
type requests map[string]int

// requested is what was asked of GitLab since ForgetRequests.
func (f *fleet) requested() requests {
	counted := requests{}
	for _, e := range f.GitLab.Journal() {
		counted[e.Endpoint]++
	}
	return counted
}

// costs checks what the manager has asked of GitLab and written to Kubernetes since ForgetRequests, now that it has
// nothing more to do: exactly these requests, and so many writes to each object and to nothing else.
func (f *fleet) costs(want requests, writesEach int) {
	GinkgoHelper()
	f.settle()
	maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
	Expect(f.requested()).To(Equal(want), "requests to GitLab")
	f.writesEach(writesEach)
}

// costsBesidesLists is costs for a manager that lists often: its lists are not counted.
func (f *fleet) costsBesidesLists(want requests, writesEach int) {
	GinkgoHelper()
	f.settle()
	counted := f.requested()
	delete(counted, "list")
	Expect(counted).To(Equal(want), "requests to GitLab besides lists")
	f.writesEach(writesEach)
}

// writes is how often the manager has written to each object since ForgetRequests, the canary apart.
func (f *fleet) writes() map[string]int {
	counted := map[string]int{}
	for _, r := range f.KubernetesWrites() {
		words := strings.Fields(r)
		Expect(words[1]).To(HavePrefix("gitlabinstanceclusters"), "a write to something else: %s", r)
		if object := strings.TrimPrefix(words[2], f.Namespace+"/"); object != canary {
			counted[object]++
		}
	}
	return counted
}

func (f *fleet) writesEach(n int) {
	GinkgoHelper()
	want := map[string]int{}
	for i := range f.n {
		if n > 0 {
			want[name(i)] = n
		}
	}
	Expect(f.writes()).To(Equal(want), "writes to Kubernetes")
}

// listsAreComplete checks that lists came one after another, each of so many pages, and none sooner than allowed after
// the one before. The first and the last may be cut off by the ends of the journal.
func listsAreComplete(journal []simulator.Entry, pagesEach int, apart time.Duration) {
	GinkgoHelper()
	var begun time.Time
	expected := 0
	for _, e := range journal {
		Expect(e.Endpoint).To(Equal("list"))
		query, err := url.ParseQuery(e.Query)
		Expect(err).NotTo(HaveOccurred())
		page, err := strconv.Atoi(query.Get("page"))
		Expect(err).NotTo(HaveOccurred())
		if expected != 0 {
			Expect(page).To(Equal(expected), "the page that is asked for")
		}
		expected = page%pagesEach + 1
		if page != 1 {
			continue
		}
		if !begun.IsZero() {
			Expect(e.Began.Sub(begun)).To(BeNumerically(">=", apart), "the time between two lists")
		}
		begun = e.Began
	}
}

// probesApart checks that GitLab was asked for nothing but the first page of its list, and not sooner than allowed
// after the last time.
func probesApart(journal []simulator.Entry, apart time.Duration) {
	GinkgoHelper()
	listsAreComplete(journal, 1, apart)
}

// metric is the sum of a metric of the manager's over the series that have these labels.
func metric(m *controlplane.Manager, name string, labels ...string) float64 {
	GinkgoHelper()
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(m.Metrics(GinkgoT())))
next:
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(series, label) {
				continue next
			}
		}
		n, err := strconv.ParseFloat(value, 64)
		Expect(err).NotTo(HaveOccurred())
		sum += n
	}
	return sum
}

// passes is how many passes the manager has had so far.
func (f *fleet) passes() int { return int(metric(f.manager, "controller_runtime_reconcile_total")) }

// awaitPasses returns when the manager has had that many passes and has nothing to do.
func (f *fleet) awaitPasses(n int) {
	GinkgoHelper()
	Eventually(f.passes).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(BeNumerically(">=", n))
	f.awaitIdle()
}

func (f *fleet) awaitIdle() {
	GinkgoHelper()
	Eventually(func() float64 {
		return metric(f.manager, "workqueue_depth") + metric(f.manager, "controller_runtime_active_workers")
	}).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(BeZero())
}

// certificate is a new CA's, as PEM.
func certificate() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{SerialNumber: serial, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
