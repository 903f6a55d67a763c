// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"math"
	"net/http"
	"net/url"
	"strings"
)

// route is where a request goes. A zero endpoint is no route.
type route struct {
	endpoint string
	// id is the path's cluster id as text; clusterID its value, 0 if it is none.
	id        string
	clusterID int64
	// name is the path's feature flag.
	name string
}

const apiRoot = "/api/v4"

// match finds the route of a path, as lib/api/admin/instance_clusters.rb declares them.
func match(method, path string) route {
	path, below := strings.CutPrefix(path, apiRoot)
	if !below {
		return route{}
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path = strings.TrimSuffix(strings.TrimRight(path, "/"), ".json")
	if rest, ok := strings.CutPrefix(path, "/admin/clusters"); ok {
		return matchClusters(method, rest)
	}
	switch method + " " + path {
	case "GET /user", "GET /version", "GET /metadata", "GET /personal_access_tokens/self", "GET /features":
		return route{endpoint: strings.TrimPrefix(path, "/")}
	}
	if name, ok := strings.CutPrefix(path, "/features/"); ok && !strings.Contains(name, "/") {
		switch method {
		case http.MethodPost:
			return route{endpoint: "set feature", name: name}
		case http.MethodDelete:
			return route{endpoint: "delete feature", name: name}
		}
	}
	return route{}
}

func matchClusters(method, rest string) route {
	if rest == "" {
		if method == http.MethodGet {
			return route{endpoint: "list"}
		}
		return route{}
	}
	id, ok := strings.CutPrefix(rest, "/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return route{}
	}
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	r := route{id: id}
	if n, ok := integer(id); ok && n > 0 && n != math.MaxInt64 {
		r.clusterID = n
	}
	switch {
	case method == http.MethodPost && id == "add":
		return route{endpoint: "add"}
	case method == http.MethodGet:
		r.endpoint = "get"
	case method == http.MethodPut:
		r.endpoint = "edit"
	case method == http.MethodDelete:
		r.endpoint = "delete"
	default:
		return route{}
	}
	return r
}
