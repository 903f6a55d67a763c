// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"maps"
	"os/exec"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

var _ = Describe("The CRD", func() {
	It("describes every field for kubectl explain", func() {
		walk(func(path string, schema apiextensionsv1.JSONSchemaProps) {
			Expect(schema.Description).NotTo(BeEmpty(), path)
			Expect(schema.Description).NotTo(ContainSubstring("TODO"), path)
		})
	})

	It("bounds every string and list, for the cost of CEL rules", func() {
		walk(func(path string, schema apiextensionsv1.JSONSchemaProps) {
			// Kubernetes' own type Condition bounds these two by enum and format.
			bounded := schema.MaxLength != nil || strings.HasPrefix(path, "status.conditions.") && (schema.Enum != nil || schema.Format == "date-time")
			if schema.Type == "string" {
				Expect(bounded).To(BeTrue(), path+" has no maxLength")
			}
			if schema.Type == "array" {
				Expect(schema.MaxItems).NotTo(BeNil(), path+" has no maxItems")
				if items := schema.Items.Schema; items.Type == "string" {
					Expect(items.MaxLength).NotTo(BeNil(), path+" has items without maxLength")
				}
			}
		})
	})

	It("has no pattern of ours, because patterns carry no message", func() {
		walk(func(path string, schema apiextensionsv1.JSONSchemaProps) {
			if !strings.HasPrefix(path, "status.conditions.") {
				Expect(schema.Pattern).To(BeEmpty(), path)
			}
		})
	})

	It("gives each rule a message, and the table a case for it", func() {
		words := map[string]bool{}
		for _, r := range rules {
			for _, b := range r.bad {
				words[r.path+" "+strings.TrimPrefix(b.words, "Forbidden: ")] = true
			}
		}
		walk(func(path string, schema apiextensionsv1.JSONSchemaProps) {
			for _, validation := range schema.XValidations {
				Expect(validation.Message).NotTo(BeEmpty(), validation.Rule)
				Expect(words).To(HaveKey(path+validation.FieldPath+" "+validation.Message), "no case in rules")
			}
			if schema.MaxLength != nil && strings.HasPrefix(path, "spec.") && schema.Enum == nil {
				Expect(words).To(HaveKey(HavePrefix(path+" Too long: ")), "no case in rules")
			}
		})
	})
})

var _ = Describe("kubectl", func() {
	kubectl := func(ctx context.Context, args ...string) string {
		GinkgoHelper()
		command := exec.CommandContext(ctx, kubectlPath(), append([]string{"--kubeconfig", kubeconfig}, args...)...)
		output, err := command.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(output))
		return string(output)
	}
	titles := func(output string) []string {
		header, _, _ := strings.Cut(output, "\n")
		return slices.DeleteFunc(strings.Split(header, "  "), func(s string) bool { return strings.TrimSpace(s) == "" })
	}

	It("shows the columns, by short name and by category", func(ctx context.Context) {
		obj := created(ctx, manifest("production", fields{"spec.name": "Production"}))
		record(ctx, obj, fields{"status.clusterID": int64(11), "status.conditions": stalled("ScopeConflict")})

		short := kubectl(ctx, "get", "glic", "-n", namespace)
		Expect(trimAll(titles(short))).To(Equal([]string{"NAME", "READY", "REASON", "ID", "SCOPE", "AGE"}))
		Expect(short).To(MatchRegexp(`(?m)^production +False +ScopeConflict +11 +\* +\S+$`))

		wide := kubectl(ctx, "get", "gitlab", "-n", namespace, "-o", "wide")
		Expect(trimAll(titles(wide))).To(Equal([]string{"NAME", "READY", "REASON", "ID", "SCOPE", "AGE", "NAME IN GITLAB", "API URL", "GITLAB", "MESSAGE"}))
		Expect(wide).To(MatchRegexp(`(?m) Production +https://k8s.example.com:6443 +https://gitlab.example.com +as it says$`))
	})

	It("explains a field", func(ctx context.Context) {
		Expect(kubectl(ctx, "explain", "glic.spec.environmentScope")).To(ContainSubstring("which environments of all projects"))
	})
})

// walk visits every field below spec and status, and the objects that hold them.
func walk(visit func(path string, schema apiextensionsv1.JSONSchemaProps)) {
	root := shippedCRD().Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, name := range []string{"spec", "status"} {
		descend(name, root.Properties[name], visit)
	}
}

func descend(path string, schema apiextensionsv1.JSONSchemaProps, visit func(string, apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	below := schema.Properties
	if schema.Items != nil {
		below = schema.Items.Schema.Properties
	}
	for _, name := range sortedKeys(below) {
		descend(path+"."+name, below[name], visit)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func trimAll(all []string) []string {
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}
