// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"crypto/tls"
	"net/http"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// awaited bounds what the API server takes a moment for.
const awaited = 30 * time.Second

// shipped is what dist/install.yaml holds.
func shipped() []*unstructured.Unstructured {
	GinkgoHelper()
	root, err := controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	objects, err := controlplane.ReadManifest(filepath.Join(root, "dist", "install.yaml"))
	Expect(err).NotTo(HaveOccurred())
	return objects
}

func deployment(objects []*unstructured.Unstructured) *appsv1.Deployment {
	GinkgoHelper()
	for _, obj := range objects {
		if obj.GetKind() == "Deployment" {
			typed := &appsv1.Deployment{}
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, typed)).To(Succeed())
			return typed
		}
	}
	Fail("the manifest has no Deployment")
	return nil
}

func managerArgs(objects []*unstructured.Unstructured) []string {
	GinkgoHelper()
	return deployment(objects).Spec.Template.Spec.Containers[0].Args
}

var _ = Describe("The Deployment", func() {
	It("is accepted by the API server", func(ctx context.Context) {
		Expect(cp.Client.Create(ctx, deployment(shipped()), client.DryRunAll)).To(Succeed())
	})
	It("runs pods that its namespace, which enforces the restricted standard, accepts", func(ctx context.Context) {
		template := deployment(shipped()).Spec.Template
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: controlplane.SystemNamespace, Name: "manager", Labels: template.Labels},
			Spec:       template.Spec,
		}
		Expect(cp.Client.Create(ctx, pod.DeepCopy(), client.DryRunAll)).To(Succeed())

		pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
		err := cp.Client.Create(ctx, pod, client.DryRunAll)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "a laxer pod: %v", err)
	})
	It("leaves the manager more time to end than the manager takes", func() {
		Expect(*deployment(shipped()).Spec.Template.Spec.TerminationGracePeriodSeconds).To(BeNumerically(">=", 60))
	})
	It("starts the manager, which leads and shows its metrics to those who may get them", func(ctx context.Context) {
		args := managerArgs(shipped())
		Expect(args).To(ContainElements("--leader-elect", "--metrics-secure"))
		// Ports and the namespace are what a pod has and a process here has not.
		port := controlplane.FreeAddress(GinkgoT())
		probes := controlplane.FreeAddress(GinkgoT())
		mark := cp.Audit.Now(GinkgoT())
		manager := controlplane.LaunchManager(GinkgoT(), cp.ManagerConfig(GinkgoT()), append(args,
			"--leader-election-namespace="+controlplane.SystemNamespace,
			"--metrics-bind-address="+port, "--health-probe-bind-address="+probes)...)

		anyone := account(ctx, "anyone")
		reader := account(ctx, "reader")
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "metrics-reader"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "gitlab-instance-cluster-operator-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "reader"}},
		}
		Expect(cp.Client.Create(ctx, binding)).To(Succeed())
		metrics := "https://" + port + "/metrics"
		Eventually(func() (int, error) { return status(ctx, metrics, reader) }).WithTimeout(awaited).Should(Equal(http.StatusOK), manager.Log)
		Expect(status(ctx, metrics, anyone)).To(Equal(http.StatusForbidden))
		Expect(status(ctx, metrics, "")).To(Equal(http.StatusUnauthorized))
		Expect(status(ctx, "http://"+probes+"/healthz", "")).To(Equal(http.StatusOK))
		Eventually(func() (int, error) { return status(ctx, "http://"+probes+"/readyz", "") }).WithTimeout(awaited).Should(Equal(http.StatusOK))
		Eventually(func() []controlplane.Request {
			return cp.Audit.Since(GinkgoT(), mark, controlplane.By(controlplane.ManagerUser), func(r controlplane.Request) bool {
				return r.Resource == "events" && r.Code == http.StatusCreated
			})
		}).WithTimeout(awaited).ShouldNot(BeEmpty(), "the event of leader election")
		manager.Stop(GinkgoT())
		Expect(cp.Audit.Since(GinkgoT(), mark, controlplane.By(controlplane.ManagerUser), func(r controlplane.Request) bool {
			return r.Code == http.StatusForbidden
		})).To(BeEmpty(), "the shipped rules lack something")
	})
})

// account creates a ServiceAccount and returns a token for it.
func account(ctx context.Context, name string) string {
	GinkgoHelper()
	made := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	Expect(cp.Client.Create(ctx, made)).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	Expect(cp.Client.SubResource("token").Create(ctx, made, request)).To(Succeed())
	return request.Status.Token
}

// status gets a URL of the manager, whose metrics have a certificate that it made for itself.
func status(ctx context.Context, url, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	once := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	response, err := once.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

var _ = Describe("The samples", func() {
	It("are accepted as they are", func(ctx context.Context) {
		namespace := cp.Namespace(GinkgoT())
		kinds := map[string]int{}
		for _, obj := range kustomize("config/samples") {
			obj.SetNamespace(namespace)
			Expect(cp.Client.Create(ctx, obj)).To(Succeed(), obj.GetName())
			kinds[obj.GetKind()]++
		}
		Expect(kinds).To(Equal(map[string]int{"Secret": 2, "GitLabInstanceCluster": 2}))
	})
})
