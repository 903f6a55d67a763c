// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// problem is why a pass cannot go on: a reason of v1alpha1 and what to do about it.
type problem struct {
	Reason, Message string
}

func (p *problem) Error() string { return p.Reason + ": " + p.Message }

// resolution is the object with its Secrets read.
type resolution struct {
	Want        want
	Credentials fleet.Credentials
	// GitLabTokenSecret is <uid>/<key> of the Secret with GitLab's token.
	GitLabTokenSecret string
}

// wantOf is what the spec alone says: tokens, certificates and their versions are missing.
func wantOf(obj *v1alpha1.GitLabInstanceCluster) want {
	spec := obj.Spec
	w := want{
		Attributes: gitlab.Attributes{
			Name:                    spec.Name,
			EnvironmentScope:        strings.TrimSpace(spec.EnvironmentScope),
			Domain:                  spec.Domain,
			ManagementProjectID:     ptr.Deref(spec.ManagementProjectID, 0),
			Enabled:                 ptr.Deref(spec.Enabled, true),
			Managed:                 ptr.Deref(spec.Managed, true),
			NamespacePerEnvironment: ptr.Deref(spec.NamespacePerEnvironment, true),
			APIURL:                  strings.TrimSpace(spec.Kubernetes.APIURL),
			Namespace:               spec.Kubernetes.Namespace,
			AuthorizationType:       string(spec.Kubernetes.AuthorizationType),
		},
		Generation: obj.Generation,
		ClusterID:  ptr.Deref(spec.ClusterID, 0),
		Adoption:   spec.AdoptionPolicy,
		Deletion:   spec.DeletionPolicy,
		Drift:      spec.DriftPolicy,
		Suspended:  spec.Suspend,
		Deleting:   !obj.DeletionTimestamp.IsZero(),
	}
	if w.Name == "" {
		w.Name = obj.Name
	}
	if w.EnvironmentScope == "" {
		w.EnvironmentScope = "*"
	}
	if w.AuthorizationType == "" {
		w.AuthorizationType = string(v1alpha1.AuthorizationRBAC)
	}
	if url, err := gitlab.NormalizeURL(spec.GitLab.URL); err == nil {
		w.GitLabURL = url
	} else {
		w.GitLabURL = spec.GitLab.URL
	}
	return w
}

// secrets reads the Secrets of one pass, each once.
type secrets struct {
	reader    client.Reader
	namespace string
	read      map[string]*corev1.Secret
}

func newSecrets(reader client.Reader, namespace string) *secrets {
	return &secrets{reader: reader, namespace: namespace, read: map[string]*corev1.Secret{}}
}

// connection reads what a request to GitLab needs.
func (r *Reconciler) connection(ctx context.Context, obj *v1alpha1.GitLabInstanceCluster, s *secrets) (fleet.Credentials, string, error) {
	spec := obj.Spec.GitLab
	url, err := gitlab.NormalizeURL(spec.URL)
	if err != nil {
		return fleet.Credentials{}, "", &problem{v1alpha1.ReasonRejectedByGitLab, "spec.gitlab.url: " + err.Error()}
	}
	token, version, err := s.token(ctx, spec.TokenSecretRef, "spec.gitlab.tokenSecretRef")
	if err != nil {
		return fleet.Credentials{}, "", err
	}
	credentials := fleet.Credentials{URL: url, Token: token, Version: version}
	if spec.CASecretRef != nil {
		ca, caVersion, err := s.certificates(ctx, *spec.CASecretRef, "spec.gitlab.caSecretRef")
		if err != nil {
			return fleet.Credentials{}, "", err
		}
		credentials.CA, credentials.Version = ca, version+" "+caVersion
	}
	return credentials, identityOf(version), nil
}

// identityOf drops the resourceVersion from <uid>/<resourceVersion>/<key>.
func identityOf(version string) string {
	parts := strings.SplitN(version, "/", 3)
	return parts[0] + "/" + parts[2]
}

// resolve reads the object's Secrets. A *problem says which of them is not as it must be.
func (r *Reconciler) resolve(ctx context.Context, obj *v1alpha1.GitLabInstanceCluster, s *secrets) (resolution, error) {
	credentials, tokenSecret, err := r.connection(ctx, obj, s)
	if err != nil {
		return resolution{}, err
	}
	res := resolution{Want: wantOf(obj), Credentials: credentials, GitLabTokenSecret: tokenSecret}
	platform := obj.Spec.Kubernetes
	res.Want.Token, res.Want.TokenVersion, err = s.token(ctx, platform.TokenSecretRef, "spec.kubernetes.tokenSecretRef")
	if err != nil {
		return resolution{}, err
	}
	if platform.CASecretRef != nil {
		res.Want.CACert, _, err = s.certificates(ctx, *platform.CASecretRef, "spec.kubernetes.caSecretRef")
		if err != nil {
			return resolution{}, err
		}
	}
	return res, nil
}

// token reads a token and its version, <uid>/<resourceVersion>/<key>.
func (s *secrets) token(ctx context.Context, ref v1alpha1.TokenSecretRef, path string) (gitlab.Token, string, error) {
	if ref.Key == "" {
		ref.Key = "token"
	}
	value, version, err := s.value(ctx, ref.Name, ref.Key, path)
	if err != nil {
		return gitlab.Token{}, "", err
	}
	if err := gitlab.CheckToken(value); err != nil {
		return gitlab.Token{}, "", invalidSecret(ref.Name, ref.Key, path, err)
	}
	return gitlab.NewToken(string(value)), version, nil
}

// certificates reads PEM certificates and their version, <uid>/<resourceVersion>/<key>.
func (s *secrets) certificates(ctx context.Context, ref v1alpha1.CASecretRef, path string) (pem, version string, err error) {
	if ref.Key == "" {
		ref.Key = "ca.crt"
	}
	value, version, err := s.value(ctx, ref.Name, ref.Key, path)
	if err != nil {
		return "", "", err
	}
	if err := gitlab.CheckCertificates(value); err != nil {
		return "", "", invalidSecret(ref.Name, ref.Key, path, err)
	}
	return strings.TrimSpace(string(value)), version, nil
}

func invalidSecret(name, key, path string, err error) *problem {
	return &problem{v1alpha1.ReasonInvalidSecret, fmt.Sprintf("key %q of Secret %s (%s): %v", key, name, path, err)}
}

// value reads one key of a Secret, live: values are never cached.
func (s *secrets) value(ctx context.Context, name, key, path string) (value []byte, version string, err error) {
	secret, ok := s.read[name]
	if !ok {
		secret = &corev1.Secret{}
		if err := s.reader.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, secret); err != nil {
			return nil, "", secretProblem(err, s.namespace, name, path)
		}
		s.read[name] = secret
	}
	value, ok = secret.Data[key]
	if !ok {
		return nil, "", &problem{v1alpha1.ReasonInvalidSecret, fmt.Sprintf("Secret %s (%s) has no key %q; add it, or set "+
			"%s.key to the key that holds the value", name, path, key, path)}
	}
	return value, fmt.Sprintf("%s/%s/%s", secret.UID, secret.ResourceVersion, key), nil
}

func secretProblem(err error, namespace, name, path string) error {
	switch {
	case apierrors.IsNotFound(err):
		return &problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf("Secret %s (%s) does not exist in namespace %s; create it",
			name, path, namespace)}
	case apierrors.IsForbidden(err):
		return &problem{v1alpha1.ReasonSecretForbidden, fmt.Sprintf("the manager may not get Secret %s (%s): its ServiceAccount "+
			"needs a rule with apiGroups [\"\"], resources [secrets], verbs [get, list, watch] in namespace %s", name, path, namespace)}
	}
	return fmt.Errorf("read Secret %s (%s): %w", name, path, err)
}
