// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"errors"
	"strings"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// minimal is a manifest with nothing that could be left out.
const minimal = `
apiVersion: gitlab.clusterops.dev/v1alpha1
kind: GitLabInstanceCluster
metadata: {name: production, namespace: validation}
spec:
  gitlab:
    url: https://gitlab.example.com
    tokenSecretRef: {name: gitlab-admin}
  kubernetes:
    apiURL: https://k8s.example.com:6443
    tokenSecretRef: {name: gitlab-sa}
`

// fields are changes to a manifest by path; nil removes what is there.
type fields map[string]any

// manifest is the minimal manifest under a name, with changes.
func manifest(name string, changes ...fields) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal([]byte(minimal), &obj.Object)).To(Succeed())
	obj.SetName(name)
	for _, change := range changes {
		set(obj, change)
	}
	return obj
}

func set(obj *unstructured.Unstructured, change fields) {
	for path, value := range change {
		steps := strings.Split(path, ".")
		if value == nil {
			unstructured.RemoveNestedField(obj.Object, steps...)
			continue
		}
		Expect(unstructured.SetNestedField(obj.Object, value, steps...)).To(Succeed())
	}
}

// refusal is one cause for which the API server refuses an object, as kubectl prints it after the path.
type refusal struct{ field, text string }

// notChecked is what the API server adds when it left the CEL rules out, because the schema was already violated.
const notChecked = "some validation rules were not checked because the object was invalid"

// refusals lists why the API server refused, or nothing if it did not.
func refusals(err error) []refusal {
	if err == nil {
		return nil
	}
	var status *apierrors.StatusError
	Expect(errors.As(err, &status)).To(BeTrue(), "not an answer of the API server: %v", err)
	Expect(status.Status().Reason).To(Equal(metav1.StatusReasonInvalid), err.Error())
	var causes []refusal
	for _, cause := range status.Status().Details.Causes {
		if !strings.Contains(cause.Message, notChecked) {
			causes = append(causes, refusal{cause.Field, cause.Message})
		}
	}
	return causes
}
