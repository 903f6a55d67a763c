// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

func anObject() *v1alpha1.GitLabInstanceCluster {
	return &v1alpha1.GitLabInstanceCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "production", Generation: 3},
		Spec: v1alpha1.GitLabInstanceClusterSpec{
			GitLab:     v1alpha1.GitLabConnection{URL: here, TokenSecretRef: v1alpha1.TokenSecretRef{Name: "gitlab"}},
			Kubernetes: v1alpha1.KubernetesPlatform{APIURL: "https://k8s.example.com", TokenSecretRef: v1alpha1.TokenSecretRef{Name: "cluster"}},
		},
	}
}

// TestWantOf checks that a field left out means what GitLab means by it, also for objects that the API server has not
// defaulted.
func TestWantOf(t *testing.T) {
	w := wantOf(anObject())
	if (w.Attributes != gitlab.Attributes{Name: "production", EnvironmentScope: "*", Enabled: true, Managed: true,
		NamespacePerEnvironment: true, APIURL: "https://k8s.example.com", AuthorizationType: "rbac"}) {
		t.Errorf("of the least: %+v", w.Attributes)
	}
	if w.Generation != 3 || w.GitLabURL != here || w.ClusterID != 0 || w.Suspended || w.Deleting {
		t.Errorf("of the least: %+v", w)
	}
	obj := anObject()
	obj.DeletionTimestamp = ptr.To(metav1.Now())
	obj.Spec = v1alpha1.GitLabInstanceClusterSpec{
		GitLab: v1alpha1.GitLabConnection{URL: "HTTPS://GitLab.Example.com:443/git/"},
		Name:   "prod", EnvironmentScope: " prod/* ", Domain: "example.com", ManagementProjectID: ptr.To[int64](7),
		Enabled: ptr.To(false), Managed: ptr.To(false), NamespacePerEnvironment: ptr.To(false),
		Kubernetes: v1alpha1.KubernetesPlatform{APIURL: " https://k8s.example.com ", Namespace: "ci", AuthorizationType: "abac"},
		ClusterID:  ptr.To[int64](9), AdoptionPolicy: v1alpha1.AdoptionMatching, DeletionPolicy: v1alpha1.DeletionOrphan,
		DriftPolicy: v1alpha1.DriftReport, Suspend: true,
	}
	w = wantOf(obj)
	if (w.Attributes != gitlab.Attributes{Name: "prod", EnvironmentScope: "prod/*", Domain: "example.com", ManagementProjectID: 7,
		APIURL: "https://k8s.example.com", Namespace: "ci", AuthorizationType: "abac"}) {
		t.Errorf("of everything: %+v", w.Attributes)
	}
	if w.GitLabURL != "https://gitlab.example.com/git" || w.ClusterID != 9 || w.Adoption != v1alpha1.AdoptionMatching ||
		w.Deletion != v1alpha1.DeletionOrphan || w.Drift != v1alpha1.DriftReport || !w.Suspended || !w.Deleting {
		t.Errorf("of everything: %+v", w)
	}
}

func TestRecordedOf(t *testing.T) {
	obj := anObject()
	obj.Finalizers = []string{"another", v1alpha1.Finalizer}
	obj.Annotations = map[string]string{v1alpha1.CreateIntentAnnotation: writtenIntent}
	obj.Status = v1alpha1.GitLabInstanceClusterStatus{ClusterID: 5, ClusterCreatedAt: born, GitLabURL: here,
		TokenSecretVersion: "uid/7/token", RefusedAttempt: 1}
	rec, err := recordedOf(obj)
	if err != nil || rec.Intent == nil || rec.Intent.Attempt != 2 {
		t.Fatalf("%+v, %v", rec, err)
	}
	rec.Intent = nil
	if (rec != recorded{ID: 5, CreatedAt: born, GitLabURL: here, TokenVersion: "uid/7/token", Refused: 1, Finalizer: true}) {
		t.Errorf("recorded %+v", rec)
	}
	obj.Annotations[v1alpha1.CreateIntentAnnotation] = "{"
	if rec, err := recordedOf(obj); err == nil || rec.ID != 5 || !rec.Finalizer {
		t.Errorf("an annotation that cannot be read: %+v, %v", rec, err)
	}
}

// TestSupersedes tells when what a pass found out is no longer to be recorded.
func TestSupersedes(t *testing.T) {
	then := recorded{ID: 5, Intent: anIntent(4), Refused: 1, Finalizer: true}
	for name, test := range map[string]struct {
		change func(*recorded)
		yes    bool
	}{
		"nothing changed":                          {func(*recorded) {}, false},
		"the token was recorded":                   {func(r *recorded) { r.TokenVersion = "x" }, false},
		"another manager recorded a cluster":       {func(r *recorded) { r.ID = 6 }, true},
		"another manager is about to add one":      {func(r *recorded) { r.Intent = &intent{Attempt: 2} }, true},
		"somebody removed the intent":              {func(r *recorded) { r.Intent = nil }, true},
		"the same intent, read from the API again": {func(r *recorded) { r.Intent = anIntent(4) }, false},
	} {
		live := then
		test.change(&live)
		if live.supersedes(then) != test.yes {
			t.Errorf("%s: %t", name, !test.yes)
		}
	}
}

// kept are the Secrets of a namespace, or why they cannot be read.
type kept struct {
	client.Reader
	secrets map[string]map[string][]byte
	err     error
	reads   int
}

func (k *kept) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	k.reads++
	if k.err != nil {
		return k.err
	}
	data, ok := k.secrets[key.Name]
	if !ok || key.Namespace != "team" {
		return apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
	}
	*obj.(*corev1.Secret) = corev1.Secret{ObjectMeta: metav1.ObjectMeta{UID: "uid-of-it", ResourceVersion: "7"}, Data: data}
	return nil
}

const sentinel = "s3ntinel-t0ken"

func TestResolveReadsTheSecrets(t *testing.T) {
	reader := &kept{secrets: map[string]map[string][]byte{
		"gitlab": {"token": []byte("  glpat-" + sentinel + "\n")}, "cluster": {"token": []byte(sentinel), "other": []byte("x" + sentinel)}}}
	r := &Reconciler{}
	res, err := r.resolve(t.Context(), anObject(), newSecrets(reader, "team"))
	if err != nil {
		t.Fatal(err)
	}
	if res.Credentials.URL != here || res.Credentials.Token.Reveal() != "glpat-"+sentinel || res.Credentials.CA != "" ||
		res.Credentials.Version != "uid-of-it/7/token" || res.GitLabTokenSecret != "uid-of-it/token" {
		t.Errorf("the connection is not what the Secret says, version %s", res.Credentials.Version)
	}
	if res.Want.Token.Reveal() != sentinel || res.Want.TokenVersion != "uid-of-it/7/token" {
		t.Errorf("the cluster's token is not what the Secret says, version %s", res.Want.TokenVersion)
	}
	if text := fmt.Sprintf("%v %+v %#v", res, res, res); strings.Contains(text, sentinel) {
		t.Error("a token can be printed by mistake")
	}
	obj := anObject()
	obj.Spec.Kubernetes.TokenSecretRef.Key, obj.Spec.GitLab.TokenSecretRef.Name = "other", "cluster"
	reader.reads = 0
	if res, err = r.resolve(t.Context(), obj, newSecrets(reader, "team")); err != nil || reader.reads != 1 ||
		res.Want.TokenVersion != "uid-of-it/7/other" {
		t.Errorf("one Secret for both: %d reads, version %s, %v", reader.reads, res.Want.TokenVersion, err)
	}
}

func TestWhatIsWrongWithASecret(t *testing.T) {
	secret := schema.GroupResource{Resource: "secrets"}
	good := func() map[string]map[string][]byte {
		return map[string]map[string][]byte{"gitlab": {"token": []byte("glpat")}, "cluster": {"token": []byte("t"), "ca.crt": []byte(sentinel)}}
	}
	for name, test := range map[string]struct {
		change func(*kept)
		spec   func(*v1alpha1.GitLabInstanceClusterSpec)
		reason string
		says   []string
	}{
		"it is not there": {change: func(k *kept) { delete(k.secrets, "cluster") }, reason: v1alpha1.ReasonSecretNotFound,
			says: []string{"Secret cluster", "spec.kubernetes.tokenSecretRef", "namespace team"}},
		"it must not be read": {change: func(k *kept) { k.err = apierrors.NewForbidden(secret, "gitlab", errors.New("no")) },
			reason: v1alpha1.ReasonSecretForbidden, says: []string{"Secret gitlab", "resources [secrets]", "namespace team"}},
		"its key is missing": {spec: func(s *v1alpha1.GitLabInstanceClusterSpec) { s.GitLab.TokenSecretRef.Key = "pat" },
			reason: v1alpha1.ReasonInvalidSecret, says: []string{"Secret gitlab", `no key "pat"`, "spec.gitlab.tokenSecretRef.key"}},
		"its token is empty": {change: func(k *kept) { k.secrets["gitlab"]["token"] = []byte(" \n") },
			reason: v1alpha1.ReasonInvalidSecret, says: []string{"Secret gitlab", `key "token"`}},
		"its token has two lines": {change: func(k *kept) { k.secrets["cluster"]["token"] = []byte(sentinel + "\nx") },
			reason: v1alpha1.ReasonInvalidSecret, says: []string{"Secret cluster", `key "token"`}},
		"its CA is no certificate": {spec: func(s *v1alpha1.GitLabInstanceClusterSpec) {
			s.Kubernetes.CASecretRef = &v1alpha1.CASecretRef{Name: "cluster"}
		}, reason: v1alpha1.ReasonInvalidSecret, says: []string{"Secret cluster", `key "ca.crt"`, "spec.kubernetes.caSecretRef"}},
		"GitLab's CA is no certificate": {spec: func(s *v1alpha1.GitLabInstanceClusterSpec) {
			s.GitLab.CASecretRef = &v1alpha1.CASecretRef{Name: "cluster"}
		}, reason: v1alpha1.ReasonInvalidSecret, says: []string{"spec.gitlab.caSecretRef"}},
		"the URL is none": {spec: func(s *v1alpha1.GitLabInstanceClusterSpec) { s.GitLab.URL = "gitlab" },
			reason: v1alpha1.ReasonRejectedByGitLab, says: []string{"spec.gitlab.url"}},
	} {
		t.Run(name, func(t *testing.T) {
			reader, obj := &kept{secrets: good()}, anObject()
			if test.change != nil {
				test.change(reader)
			}
			if test.spec != nil {
				test.spec(&obj.Spec)
			}
			_, err := (&Reconciler{}).resolve(t.Context(), obj, newSecrets(reader, "team"))
			var found *problem
			if !errors.As(err, &found) || found.Reason != test.reason {
				t.Fatalf("not %s but %v", test.reason, err)
			}
			for _, part := range test.says {
				if !strings.Contains(found.Message, part) {
					t.Errorf("%q does not say %q", found.Message, part)
				}
			}
			if strings.Contains(err.Error(), sentinel) {
				t.Error("the value is in the message")
			}
		})
	}
}

// Trouble with the API server is nothing that the object's user could mend: it is retried and not reported.
func TestOtherTroubleWithASecretIsRetried(t *testing.T) {
	away := apierrors.NewServiceUnavailable("away")
	_, err := (&Reconciler{}).resolve(t.Context(), anObject(), newSecrets(&kept{err: away}, "team"))
	var found *problem
	if !errors.Is(err, away) || errors.As(err, &found) || reportable(t.Context(), err) {
		t.Errorf("%v", err)
	}
}
