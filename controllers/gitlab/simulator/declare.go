// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"strings"
)

// attributes are the declared parameters of an add or an edit; all others are dropped without a word.
type attributes struct {
	name                    value[string]
	enabled                 value[bool]
	environmentScope        value[string]
	namespacePerEnvironment value[bool]
	domain                  value[string]
	managementProjectID     value[int64]
	managed                 value[bool]

	apiURL            value[string]
	token             value[string]
	caCert            value[string]
	namespace         value[string]
	authorizationType value[string]
}

const platform = "platform_kubernetes_attributes"

// declaration reads parameters one after the other, as lib/api/admin/instance_clusters.rb declares them, and collects
// what is wrong with them in that order.
type declaration struct {
	errors []string
}

func (d *declaration) fail(name, complaint string) {
	d.errors = append(d.errors, name+" "+complaint)
}

// read coerces one parameter.
func read[T any](d *declaration, p params, prefix, name string, coerce func(any) (value[T], bool)) value[T] {
	raw, given := p[name]
	if !given {
		return value[T]{}
	}
	v, ok := coerce(raw)
	if !ok {
		d.fail(label(prefix, name), "is invalid")
	}
	return v
}

func label(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "[" + name + "]"
}

// or gives an absent or null parameter its default.
func or[T any](v value[T], fallback T) value[T] {
	if !v.given || v.null {
		return some(fallback)
	}
	return v
}

// declareAdd reads the parameters of POST /admin/clusters/add.
func declareAdd(p params) (attributes, string) {
	d := &declaration{}
	if _, given := p["name"]; !given {
		d.fail("name", "is missing")
	}
	a := d.common(p)
	a.enabled, a.managed = or(a.enabled, true), or(a.managed, true)
	a.environmentScope = or(a.environmentScope, "*")

	raw, given := p[platform]
	if !given {
		d.fail(platform, "is missing")
	}
	inner, isHash := raw.(params)
	if raw != nil && !isHash {
		d.fail(platform, "is invalid")
		if list, ok := raw.([]any); !ok || len(list) > 0 {
			for _, name := range []string{"api_url", "token"} {
				d.fail(label(platform, name), "is missing")
				d.fail(label(platform, name), "is invalid")
			}
		}
		return a, d.text()
	}
	d.platformOfAdd(&a, inner)
	return a, d.text()
}

func (d *declaration) platformOfAdd(a *attributes, inner params) {
	if _, given := inner["api_url"]; !given {
		d.fail(label(platform, "api_url"), "is missing")
	}
	a.apiURL = read(d, inner, platform, "api_url", asString)
	if empty(inner["api_url"]) {
		d.fail(label(platform, "api_url"), "is empty")
	}
	if _, given := inner["token"]; !given {
		d.fail(label(platform, "token"), "is missing")
	}
	d.platform(a, inner)
	a.authorizationType = or(read(d, inner, platform, "authorization_type", asString), "rbac")
	if !slices.Contains([]string{"unknown_authorization", "rbac", "abac"}, a.authorizationType.is) {
		d.fail(label(platform, "authorization_type"), "does not have a valid value")
	}
}

// declareEdit reads the parameters of PUT /admin/clusters/:cluster_id. It has no authorization_type, and it gives
// namespace_per_environment its default even when the request leaves it out.
func declareEdit(id string, p params) (int64, attributes, string) {
	d := &declaration{}
	n, ok := integer(id)
	if !ok {
		d.fail("cluster_id", "is invalid")
	}
	a := d.common(p)
	switch raw := p[platform].(type) {
	case nil:
	case params:
		a.apiURL = read(d, raw, platform, "api_url", asString)
		d.platform(&a, raw)
	default:
		d.fail(platform, "is invalid")
	}
	return n, a, d.text()
}

// common reads what both declare at the top level.
func (d *declaration) common(p params) attributes {
	var a attributes
	a.name = read(d, p, "", "name", asString)
	a.enabled = read(d, p, "", "enabled", asBoolean)
	a.environmentScope = read(d, p, "", "environment_scope", asString)
	a.namespacePerEnvironment = or(read(d, p, "", "namespace_per_environment", asBoolean), true)
	a.domain = read(d, p, "", "domain", asString)
	a.managementProjectID = read(d, p, "", "management_project_id", asInteger)
	a.managed = read(d, p, "", "managed", asBoolean)
	return a
}

// platform reads what both declare of the platform but the address.
func (d *declaration) platform(a *attributes, inner params) {
	a.token = read(d, inner, platform, "token", asString)
	a.caCert = read(d, inner, platform, "ca_cert", asString)
	a.namespace = read(d, inner, platform, "namespace", asString)
}

// empty is what allow_blank: false refuses; an absent parameter is as empty as a blank one.
func empty(raw any) bool {
	switch v := raw.(type) {
	case nil:
		return true
	case string:
		return blank(v)
	case params:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// text joins the complaints; a parameter's own stand together.
func (d *declaration) text() string { return strings.Join(d.errors, ", ") }
