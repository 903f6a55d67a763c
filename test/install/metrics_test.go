// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var _ = Describe("Metrics", func() {
	It("are shown to those alone who may get them", func(ctx context.Context) {
		m := cp.StartManager(GinkgoT(), "--metrics-secure=true")
		url := strings.Replace(m.MetricsURL, "http://", "https://", 1)
		// The certificate is signed by nobody.
		reader := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		read := func(authorization string) (int, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return 0, err
			}
			if authorization != "" {
				request.Header.Set("Authorization", authorization)
			}
			response, err := reader.Do(request)
			if err != nil {
				return 0, err
			}
			return response.StatusCode, response.Body.Close()
		}
		namespace := cp.Namespace(GinkgoT())
		token := func(name string) string {
			GinkgoHelper()
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			Expect(cp.Client.Create(ctx, account)).To(Succeed())
			request := &authenticationv1.TokenRequest{}
			Expect(cp.Client.SubResource("token").Create(ctx, account, request)).To(Succeed())
			return request.Status.Token
		}
		stranger, collector := token("stranger"), token("collector")
		Expect(cp.Client.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace + "-metrics"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "gitlab-instance-cluster-operator-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "collector"}},
		})).To(Succeed())

		Eventually(func() (int, error) { return read("Bearer " + collector) }, "30s", "100ms").Should(Equal(http.StatusOK))
		Expect(read("Bearer " + stranger)).To(Equal(http.StatusForbidden))
		Expect(read("Bearer no-token")).To(Equal(http.StatusUnauthorized))
		Expect(read("Basic " + collector)).To(Equal(http.StatusUnauthorized))
		Expect(read("Bearer ")).To(Equal(http.StatusUnauthorized))
		Expect(read("")).To(Equal(http.StatusUnauthorized))
	})
})
