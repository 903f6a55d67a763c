// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const platformPrefix = "platform_kubernetes_attributes."

// addBody leaves out what is not set: GitLab has no value for it either.
func addBody(want Attributes) []byte {
	fields := []Field{FieldName, FieldEnvironmentScope, FieldEnabled, FieldManaged, FieldNamespacePerEnvironment,
		FieldAPIURL, FieldToken}
	optional := func(set bool, field Field) {
		if set {
			fields = append(fields, field)
		}
	}
	optional(want.Domain != "", FieldDomain)
	optional(want.ManagementProjectID != 0, FieldManagementProjectID)
	optional(want.CACert != "", FieldCACert)
	optional(want.Namespace != "", FieldNamespace)
	optional(want.AuthorizationType != "", FieldAuthorizationType)
	return encode(want, fields)
}

// editBody always has namespace_per_environment: an edit without it sets it to true.
func editBody(want Attributes, fields []Field) ([]byte, error) {
	send := []Field{FieldNamespacePerEnvironment}
	for _, field := range fields {
		switch {
		case field == FieldAuthorizationType:
			continue
		case field == FieldToken && want.Token.IsZero():
			return nil, noToken(http.MethodPut, endpointEdit)
		}
		if _, known := value(want, field); !known {
			return nil, &Error{Kind: KindInvalid, Method: http.MethodPut, Endpoint: endpointEdit,
				Message: fmt.Sprintf("not sent: there is no field %q", string(field))}
		}
		send = append(send, field)
	}
	return encode(want, send), nil
}

func encode(want Attributes, fields []Field) []byte {
	body, platform := map[string]any{}, map[string]any{}
	for _, field := range fields {
		v, _ := value(want, field)
		if key, nested := strings.CutPrefix(string(field), platformPrefix); nested {
			platform[key] = v
		} else {
			body[string(field)] = v
		}
	}
	if len(platform) > 0 {
		body[strings.TrimSuffix(platformPrefix, ".")] = platform
	}
	// Strings, numbers, booleans and null: this cannot fail.
	encoded, _ := json.Marshal(body)
	return encoded
}

// value is what an attribute looks like in JSON. Null clears the four that can be cleared; a boolean is never null,
// for GitLab stores null for enabled and answers 500 to null for managed.
func value(want Attributes, field Field) (v any, known bool) {
	switch field {
	case FieldName:
		return want.Name, true
	case FieldEnvironmentScope:
		return want.EnvironmentScope, true
	case FieldDomain:
		return orNull(want.Domain), true
	case FieldManagementProjectID:
		return orNull(want.ManagementProjectID), true
	case FieldEnabled:
		return want.Enabled, true
	case FieldManaged:
		return want.Managed, true
	case FieldNamespacePerEnvironment:
		return want.NamespacePerEnvironment, true
	case FieldAPIURL:
		return want.APIURL, true
	case FieldCACert:
		return orNull(want.CACert), true
	case FieldNamespace:
		return orNull(want.Namespace), true
	case FieldAuthorizationType:
		return want.AuthorizationType, true
	case FieldToken:
		return want.Token.Reveal(), true
	}
	return nil, false
}

func orNull[T comparable](v T) any {
	var none T
	if v == none {
		return nil
	}
	return v
}
