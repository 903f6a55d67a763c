// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

var _ = Describe("An object stored under a laxer CRD", Ordered, func() {
	var stored []*unstructured.Unstructured

	BeforeAll(func(ctx context.Context) {
		// The admission policy would not let in the objects that lack what it asks about. It comes back with the next run.
		Expect(kube.DeleteAllOf(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{})).To(Succeed())
		lax := shippedCRD()
		for i := range lax.Spec.Versions {
			loosen(lax.Spec.Versions[i].Schema.OpenAPIV3Schema)
		}
		install(ctx, lax)
		DeferCleanup(func(ctx context.Context) { install(ctx, shippedCRD()) })
		empty := manifest("empty", fields{"spec.gitlab": nil, "spec.name": ""})
		try := func() error { return kube.Create(ctx, empty.DeepCopy(), client.DryRunAll) }
		Eventually(try).WithTimeout(timeout).Should(Succeed())
		for _, obj := range invalidObjects() {
			Expect(kube.Create(ctx, obj)).To(Succeed(), "%v", obj)
			stored = append(stored, obj)
		}

		install(ctx, shippedCRD())
		Eventually(try).WithTimeout(timeout).Should(Satisfy(apierrors.IsInvalid))
	})

	It("stands for every rule", func() { Expect(len(stored)).To(BeNumerically(">", 150)) })

	It("takes all that the manager writes", func(ctx context.Context) {
		for _, obj := range stored {
			By(obj.GetName() + ": " + obj.GetAnnotations()["field"])
			// A claim, a record, a second record, and the release.
			Expect(kube.Patch(ctx, obj, merged(fields{
				"metadata.resourceVersion": obj.GetResourceVersion(),
				"metadata.annotations":     map[string]any{v1alpha1.CreateIntentAnnotation: "{}"},
				"metadata.finalizers":      []any{v1alpha1.Finalizer, "example.com/another"},
			}))).To(Succeed())
			record(ctx, obj, fields{"status.clusterID": int64(11), "status.conditions": stalled("RejectedByGitLab")})
			record(ctx, obj, fields{"status.observedGeneration": obj.GetGeneration(), "status.conditions": stalled("GitLabUnreachable")})
			Expect(kube.Patch(ctx, obj, merged(fields{"metadata.finalizers": []any{v1alpha1.Finalizer}}))).To(Succeed())
			Expect(kube.Delete(ctx, obj)).To(Succeed())
			record(ctx, refetched(ctx, obj), fields{"status.conditions": stalled("DeletionBlocked")})
			Expect(kube.Patch(ctx, obj, merged(fields{"metadata.finalizers": nil}))).To(Succeed())
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Satisfy(apierrors.IsNotFound))
		}
	})
})

// invalidObjects has one object for each refused value of the rules, but for values of another type, which no CRD
// with the same types would have let in.
func invalidObjects() (all []*unstructured.Unstructured) {
	for _, r := range sorted(rules) {
		for _, b := range r.bad {
			if _, is := b.ofAnotherType(); is || r.path == "spec" {
				continue
			}
			obj := manifest(fmt.Sprintf("stored-%d", len(all)), r.with, fields{r.path: b.value})
			field := r.path + " " + shown(b.value)
			obj.SetAnnotations(map[string]string{"field": field[:min(len(field), 100)]})
			all = append(all, obj)
		}
	}
	return all
}

func shippedCRD() *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "gitlab.clusterops.dev_gitlabinstanceclusters.yaml"))
	Expect(err).NotTo(HaveOccurred())
	crd := &apiextensionsv1.CustomResourceDefinition{}
	Expect(yaml.UnmarshalStrict(content, crd)).To(Succeed())
	return crd
}

func install(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) {
	GinkgoHelper()
	have := &apiextensionsv1.CustomResourceDefinition{}
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(crd), have)).To(Succeed())
	have.Spec = crd.Spec
	Expect(kube.Update(ctx, have)).To(Succeed())
}

// loosen takes every rule out of a schema and leaves the types and defaults.
func loosen(schema *apiextensionsv1.JSONSchemaProps) {
	schema.XValidations, schema.MaxLength, schema.Enum, schema.Required = nil, nil, nil, nil
	for _, name := range sortedKeys(schema.Properties) {
		property := schema.Properties[name]
		loosen(&property)
		schema.Properties[name] = property
	}
}

func refetched(ctx context.Context, obj *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
	return obj
}
