// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"strings"
	"time"
)

// SameInstant tells whether two created_at are the same moment. GitLab writes it with the offset of its time zone
// setting, which may change. What cannot be parsed is compared as text.
func SameInstant(a, b string) bool {
	at, errA := time.Parse(time.RFC3339Nano, a)
	bt, errB := time.Parse(time.RFC3339Nano, b)
	if errA != nil || errB != nil {
		return a == b
	}
	return at.Equal(bt)
}

// Differences lists, in the order of the Field constants, the fields in which have is not as want, after GitLab's own
// normalisation of both. What GitLab's answer does not tell never differs: the token, and booleans of old versions.
// FieldAuthorizationType is listed although no edit can change it.
func Differences(want Attributes, have Cluster) []Field {
	var fields []Field
	add := func(differs bool, field Field) {
		if differs {
			fields = append(fields, field)
		}
	}
	trimmed := strings.TrimSpace
	add(want.Name != have.Name, FieldName)
	add(trimmed(want.EnvironmentScope) != trimmed(have.EnvironmentScope), FieldEnvironmentScope)
	add(want.Domain != have.Domain, FieldDomain)
	add(want.ManagementProjectID != have.ManagementProjectID, FieldManagementProjectID)
	add(have.Enabled != nil && want.Enabled != *have.Enabled, FieldEnabled)
	add(have.Managed != nil && want.Managed != *have.Managed, FieldManaged)
	add(have.NamespacePerEnvironment != nil && want.NamespacePerEnvironment != *have.NamespacePerEnvironment,
		FieldNamespacePerEnvironment)
	add(trimmed(want.APIURL) != trimmed(have.APIURL), FieldAPIURL)
	add(CertificateDigest(want.CACert) != have.CADigest, FieldCACert)
	add(!strings.EqualFold(want.Namespace, have.Namespace), FieldNamespace)
	add(want.AuthorizationType != "" && have.AuthorizationType != "" && want.AuthorizationType != have.AuthorizationType,
		FieldAuthorizationType)
	return fields
}
