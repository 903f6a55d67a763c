// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

var _ = Describe("A new object", func() {
	for _, r := range sorted(rules) {
		for _, value := range r.good {
			It(fmt.Sprintf("may have %s %s", r.path, shown(value)), func(ctx context.Context) {
				obj := manifest("production", r.with, fields{r.path: value})
				Expect(kube.Create(ctx, obj, client.DryRunAll)).To(Succeed())
			})
		}
		for _, b := range r.bad {
			It(fmt.Sprintf("must not have %s %s", r.path, shown(b.value)), func(ctx context.Context) {
				obj := manifest("production", r.with, fields{r.path: b.value})
				got := refusals(kube.Create(ctx, obj, client.DryRunAll))
				Expect(got).To(ConsistOf(refusal{r.path, b.text(r.path)}))
			})
		}
	}

	It("gets GitLab's and the operator's defaults for all that is left out", func(ctx context.Context) {
		obj := manifest("production")
		set(obj, fields{"spec.gitlab.caSecretRef": map[string]any{"name": "ca"}, "spec.kubernetes.caSecretRef": map[string]any{"name": "ca"}})
		Expect(kube.Create(ctx, obj)).To(Succeed())
		DeferCleanup(kube.Delete, obj)

		have := &v1alpha1.GitLabInstanceCluster{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), have)).To(Succeed())
		yes := true
		Expect(have.Spec).To(Equal(v1alpha1.GitLabInstanceClusterSpec{
			GitLab: v1alpha1.GitLabConnection{
				URL:            "https://gitlab.example.com",
				TokenSecretRef: v1alpha1.TokenSecretRef{Name: "gitlab-admin", Key: "token"},
				CASecretRef:    &v1alpha1.CASecretRef{Name: "ca", Key: "ca.crt"},
			},
			EnvironmentScope: "*", Enabled: &yes, Managed: &yes, NamespacePerEnvironment: &yes,
			Kubernetes: v1alpha1.KubernetesPlatform{
				APIURL:            "https://k8s.example.com:6443",
				TokenSecretRef:    v1alpha1.TokenSecretRef{Name: "gitlab-sa", Key: "token"},
				CASecretRef:       &v1alpha1.CASecretRef{Name: "ca", Key: "ca.crt"},
				AuthorizationType: v1alpha1.AuthorizationRBAC,
			},
			AdoptionPolicy: v1alpha1.AdoptionNever, DeletionPolicy: v1alpha1.DeletionDelete, DriftPolicy: v1alpha1.DriftCorrect,
		}))
		Expect(have.Status).To(Equal(v1alpha1.GitLabInstanceClusterStatus{ObservedGeneration: -1}))
	})

	It("may only have a spec.gitlab.url that the client can use", func() {
		for _, r := range rules {
			if r.path != "spec.gitlab.url" {
				continue
			}
			for _, value := range r.good {
				_, err := gitlab.NormalizeURL(value.(string))
				Expect(err).NotTo(HaveOccurred(), value)
			}
		}
	})

	It("must not hold a field that the kind does not have, under strict validation as kubectl asks for", func(ctx context.Context) {
		obj := manifest("production", fields{"spec.environment_scope": "*"})
		Expect(kube.Create(ctx, obj, client.DryRunAll, client.FieldValidation("Strict"))).To(MatchError(ContainSubstring(`unknown field "spec.environment_scope"`)))
	})
})

// text is what the API server says of the value.
func (b bad) text(path string) string {
	for _, heading := range []string{"Required value", "Forbidden: ", "Too long: ", "Unsupported value: "} {
		if strings.HasPrefix(b.words, heading) {
			return b.words
		}
	}
	if words, is := b.ofAnotherType(); is {
		return `Invalid value: "string": ` + path + " in body " + words
	}
	return "Invalid value: " + shown(b.value) + ": " + b.words
}

// ofAnotherType says whether the value is refused for its type, and in which words.
func (b bad) ofAnotherType() (words string, is bool) { return strings.CutPrefix(b.words, "Type: ") }

// shown is the value as the API server writes it.
func shown(value any) string {
	switch value := value.(type) {
	case nil:
		return "absent"
	case string:
		return strconv.Quote(value)
	default:
		return fmt.Sprint(value)
	}
}

func sorted(rules []rule) []rule {
	return slices.SortedStableFunc(slices.Values(rules), func(a, b rule) int { return strings.Compare(a.path, b.path) })
}
