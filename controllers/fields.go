// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"reflect"
	"strings"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// specPath is where the spec says what a field of GitLab's shall be.
var specPath = map[gitlab.Field]string{
	gitlab.FieldName:                    "name",
	gitlab.FieldEnvironmentScope:        "environmentScope",
	gitlab.FieldDomain:                  "domain",
	gitlab.FieldManagementProjectID:     "managementProjectID",
	gitlab.FieldEnabled:                 "enabled",
	gitlab.FieldManaged:                 "managed",
	gitlab.FieldNamespacePerEnvironment: "namespacePerEnvironment",
	gitlab.FieldAPIURL:                  "kubernetes.apiURL",
	gitlab.FieldCACert:                  "kubernetes.caSecretRef",
	gitlab.FieldNamespace:               "kubernetes.namespace",
	gitlab.FieldAuthorizationType:       "kubernetes.authorizationType",
	gitlab.FieldToken:                   "kubernetes.tokenSecretRef",
}

// specPaths are the paths below spec of fields, in their order.
func specPaths(fields []gitlab.Field) []string {
	paths := make([]string, 0, len(fields))
	for _, field := range fields {
		paths = append(paths, specPath[field])
	}
	return paths
}

// ignoredMessage says that GitLab answered an edit with success and did not make it.
func ignoredMessage(fields []gitlab.Field) string {
	return "GitLab accepted the edit but kept its own value of spec." + strings.Join(specPaths(fields), ", spec.") +
		"; this GitLab version may not be able to change it: set the spec to what GitLab has, or upgrade GitLab"
}

// sameCluster reports whether two answers show the same values.
func sameCluster(a, b gitlab.Cluster) bool {
	return reflect.DeepEqual(a, b)
}

// excerpt is text in one line of at most limit characters.
func excerpt(text string, limit int) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) <= limit {
		return string(line)
	}
	return string(line[:limit-1]) + "…"
}
