// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/scenario"
)

// kubectl runs kubectl as the administrator in the world's namespace and returns what it printed, without the last newline.
func kubectl(w *scenario.World, args ...string) string {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		root, err := controlplane.Root()
		Expect(err).NotTo(HaveOccurred())
		dir = filepath.Join(root, "bin", "k8s")
	}
	args = append([]string{"--kubeconfig=" + controlplane.Kubeconfig(GinkgoT(), w.CP.Config), "--namespace=" + w.Namespace}, args...)
	output, err := exec.Command(filepath.Join(dir, "kubectl"), args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", output)
	return strings.TrimRight(string(output), "\n")
}

// columns are the cells of the lines of a table that kubectl printed.
func columns(table string) [][]string {
	var rows [][]string
	for line := range strings.Lines(table) {
		rows = append(rows, regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(line), -1))
	}
	return rows
}

var _ = Describe("the status", func() {
	It("says nothing of an object that nobody has looked at", func() {
		w := newWorld()
		w.Create("production", own)
		obj := w.Get("production")
		Expect(obj.Status.ObservedGeneration).To(BeEquivalentTo(-1))
		Expect(obj.Status.Conditions).To(BeEmpty())
	})

	It("names the cluster, where it is, and which version of the token it has", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		cluster := w.Cluster(obj)
		Expect(obj.Status.ClusterCreatedAt).To(Equal(cluster.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z")))
		Expect(obj.Status.ClusterURL).To(Equal(fmt.Sprintf("%s/admin/clusters/%d", w.Server.URL, cluster.ID)))
		Expect(obj.Status.TokenSecretVersion).To(MatchRegexp(`^[0-9a-f-]{36}/\d+/token$`))
		Expect(obj.Annotations[v1alpha1.CreateIntentAnnotation]).NotTo(ContainSubstring(scenario.Sentinel))
	})

	It("fits kubectl wait", func() {
		w := newWorld()
		w.Create("production")
		Expect(kubectl(w, "wait", "glic/production", "--for=condition=Ready", "--timeout=30s")).To(HaveSuffix("condition met"))
		w.Secret("gitlab-sa", "token", "")
		Expect(kubectl(w, "wait", "glic/production", "--for=condition=Stalled", "--timeout=30s")).To(HaveSuffix("condition met"))
		w.Secret("gitlab-sa", "token", w.ClusterToken)
		kubectl(w, "wait", "glic/production", "--for=condition=Ready", "--timeout=30s")
		kubectl(w, "delete", "glic/production", "--timeout=30s")
		Expect(w.GitLab.Clusters()).To(BeEmpty())
	})

	It("is what kubectl get shows", func() {
		w := newWorld()
		w.Create("production", scope("production/*"))
		obj := w.AwaitReady("production")
		w.Create("staging", scope("production/*"), func(o *scenario.Glic) { o.Spec.Name = "Staging" })
		conflict := w.Await("staging", v1alpha1.ReasonScopeConflict)
		rows := columns(kubectl(w, "get", "glic"))
		Expect(rows[0]).To(Equal([]string{"NAME", "READY", "REASON", "ID", "SCOPE", "AGE"}))
		Expect(rows[1][:5]).To(Equal([]string{"production", "True", "Synced", fmt.Sprint(obj.Status.ClusterID), "production/*"}))
		Expect(rows[2][:4]).To(Equal([]string{"staging", "False", "ScopeConflict", "production/*"}))
		wide := columns(kubectl(w, "get", "gitlab", "-o", "wide"))
		Expect(wide[0]).To(Equal([]string{"NAME", "READY", "REASON", "ID", "SCOPE", "AGE", "NAME IN GITLAB", "API URL", "GITLAB", "MESSAGE"}))
		Expect(wide[2][5:]).To(Equal([]string{"Staging", "https://k8s.example.com:6443", w.Server.URL, scenario.Ready(conflict).Message}))
	})

	It("keeps the time of a condition that stays", func() {
		w := newWorld()
		w.Create("production")
		before := scenario.Ready(w.AwaitReady("production"))
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain = "example.com" })
		Expect(scenario.Ready(w.AwaitReady("production")).LastTransitionTime).To(Equal(before.LastTransitionTime))
	})

	It("has an id again when it was lost with its object, restored from a copy", func() {
		w := newWorld()
		w.Create("production")
		before := w.AwaitReady("production")
		w.Edit("production", orphan)
		w.Delete("production")
		w.AwaitGone("production")
		w.ForgetRequests()
		w.Create("production", func(o *scenario.Glic) { o.Annotations = before.Annotations })
		obj := w.AwaitReady("production")
		Expect(obj.Status.ClusterID).To(Equal(before.Status.ClusterID))
		Expect(w.Writes()).NotTo(ContainElement(ContainSubstring("add")))
	})
})

var _ = Describe("events", func() {
	It("tell what was done, once", func() {
		w := newWorld()
		w.Create("production")
		obj := w.AwaitReady("production")
		id := fmt.Sprint(obj.Status.ClusterID)
		w.AwaitEvent("production", "Added", "cluster "+id, w.Server.URL)
		w.Edit("production", func(o *scenario.Glic) { o.Spec.Domain, o.Spec.Enabled = "example.com", new(false) })
		w.AwaitReady("production")
		w.AwaitEvent("production", "Edited", "cluster "+id, "domain", "enabled")
		w.StaysQuiet()
		w.Delete("production")
		w.AwaitGone("production")
		w.AwaitEvent("production", "Deleted", "cluster "+id)
		Expect(w.Events()).To(HaveLen(3))
	})

	It("tell why an object waits, once for each reason", func() {
		w := newWorld()
		w.GitLab.Seed(simulator.NewCluster("theirs", "*"))
		w.Create("production")
		w.Await("production", v1alpha1.ReasonScopeConflict)
		w.AwaitEvent("production", v1alpha1.ReasonScopeConflict, "theirs")
		w.StaysAs()
		Expect(w.Events()).To(HaveLen(1))
		Expect(w.Events()[0]).To(HavePrefix("Warning"))
	})
})
