// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Namespace creates a namespace with a name of its own and returns the name.
func (c *ControlPlane) Namespace(t T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Client.Create(context.Background(), namespace); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	return namespace.Name
}

// User returns the access of a user who may do nothing but what roles allow.
func (c *ControlPlane) User(t T, name string, groups ...string) *rest.Config {
	t.Helper()
	user, err := c.env.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
	if err != nil {
		t.Fatalf("adding user %s: %v", name, err)
	}
	return user.Config()
}

// ClientFor returns a client without a cache.
func (c *ControlPlane) ClientFor(t T, config *rest.Config) client.Client {
	t.Helper()
	made, err := client.New(config, client.Options{Scheme: c.Client.Scheme()})
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	return made
}

// Grant lets a user do what the rules say in one namespace, and returns when the API server knows.
func (c *ControlPlane) Grant(t T, namespace, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	ctx := context.Background()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{GenerateName: "granted-", Namespace: namespace}, Rules: rules}
	if err := c.Client.Create(ctx, role); err != nil {
		t.Fatalf("creating a role: %v", err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name, Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if err := c.Client.Create(ctx, binding); err != nil {
		t.Fatalf("creating a role binding: %v", err)
	}
	for _, rule := range rules {
		c.awaitRule(t, namespace, user, rule)
	}
}

func (c *ControlPlane) awaitRule(t T, namespace, user string, rule rbacv1.PolicyRule) {
	t.Helper()
	ask := authorizationv1.ResourceAttributes{Namespace: namespace, Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: rule.Resources[0]}
	if len(rule.ResourceNames) > 0 {
		ask.Name = rule.ResourceNames[0]
	}
	c.awaitAccess(t, user, ask)
}

// awaitAccess returns when the API server lets the user do it: it takes up roles a moment after they are created.
func (c *ControlPlane) awaitAccess(t T, user string, ask authorizationv1.ResourceAttributes) {
	t.Helper()
	err := wait.PollUntilContextTimeout(context.Background(), 20*time.Millisecond, 30*time.Second, true,
		func(ctx context.Context) (bool, error) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &ask}}
			err := c.Client.Create(ctx, review)
			return review.Status.Allowed, err
		})
	if err != nil {
		t.Fatalf("%s may still not %s %s: %v", user, ask.Verb, ask.Resource, err)
	}
}

// ManagerConfig returns the access of the manager's ServiceAccount: exactly the rules that are shipped.
func (c *ControlPlane) ManagerConfig(t T) *rest.Config {
	t.Helper()
	c.awaitAccess(t, ManagerUser, authorizationv1.ResourceAttributes{Verb: "list", Group: "gitlab.clusterops.dev", Resource: "gitlabinstanceclusters"})
	return c.serviceAccount(t, SystemNamespace, ServiceAccountName)
}

func (c *ControlPlane) serviceAccount(t T, namespace, name string) *rest.Config {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	lifetime := int64((12 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime}}
	if err := c.Client.SubResource("token").Create(context.Background(), account, request); err != nil {
		t.Fatalf("asking for a token of ServiceAccount %s: %v", name, err)
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.BearerToken = request.Status.Token
	return config
}

// Kubeconfig writes a kubeconfig file with the access that config has, removed with the test, and returns its path.
func Kubeconfig(t T, config *rest.Config) string {
	t.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["test"] = &clientcmdapi.AuthInfo{
		Token:                 config.BearerToken,
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Impersonate:           config.Impersonate.UserName,
		ImpersonateGroups:     config.Impersonate.Groups,
	}
	file.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	file.CurrentContext = "test"
	dir, err := os.MkdirTemp(t.TempDir(), "kubeconfig-")
	if err != nil {
		t.Fatalf("making a folder: %v", err)
	}
	path := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		t.Fatalf("writing a kubeconfig: %v", err)
	}
	return path
}
