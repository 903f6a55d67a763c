// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// handle does what GitLab does between a request and its answer. The order of the checks decides which error wins:
// rate limit, body format, token, rights, feature flag, parameters, record, model.
func (s *Simulator) handle(c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(c.path, apiRoot+"/") && c.path != apiRoot {
		return s.finish(c, s.page(c), nil)
	}
	caller, denial := s.authenticate(c)
	limited, headers := s.throttle(caller)
	if limited != nil {
		return s.finish(c, *limited, headers)
	}
	return s.finish(c, s.dispatch(c, caller, denial), headers)
}

func (s *Simulator) dispatch(c *call, who caller, denial *answer) answer {
	if a := s.refuseWrites(c); a != nil {
		return *a
	}
	params, refused := parseParams(c)
	if refused != nil {
		return *refused
	}
	clusters := s.isClusters(c)
	if c.route.endpoint == "" || clusters && s.switches.removed {
		return errorAnswer(http.StatusNotFound, "404 Not Found")
	}
	if denial == nil {
		denial = s.admit(c, &who, params)
	}
	if denial != nil {
		return *denial
	}
	if clusters {
		return s.handleClusters(c, who, params)
	}
	return s.handleOther(c, who, params)
}

func (s *Simulator) isClusters(c *call) bool {
	switch c.route.endpoint {
	case "list", "get", "add", "edit", "delete":
		return true
	}
	return false
}

func (s *Simulator) handleClusters(c *call, who caller, p params) answer {
	if !s.switches.feature {
		return messageAnswer(http.StatusNotFound, "404 Not Found")
	}
	switch c.route.endpoint {
	case "list":
		return s.list(c, p)
	case "add":
		return s.add(c, who, p)
	case "edit":
		return s.edit(c, p)
	}
	id, ok := integer(c.route.id)
	if !ok {
		return errorAnswer(http.StatusBadRequest, "cluster_id is invalid")
	}
	row, ok := s.clusters.rows[id]
	if !ok {
		return recordNotFound()
	}
	if c.route.endpoint == "delete" {
		return s.delete(c, row.Cluster)
	}
	return answer{status: http.StatusOK, body: s.encoded(c, id), clusterID: id}
}

// refuseWrites is the middleware that keeps writes from a read-only or maintained GitLab. What is not sent as JSON is
// taken for a browser's and redirected (lib/gitlab/middleware/read_only/controller.rb).
func (s *Simulator) refuseWrites(c *call) *answer {
	if !s.switches.readOnly && !s.switches.maintenance {
		return nil
	}
	switch c.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return nil
	}
	var a answer
	media, _, _ := mime.ParseMediaType(c.header.Get("Content-Type"))
	switch {
	case media != "application/json":
		to := c.header.Get("Referer")
		if to == "" {
			to = s.externalURL(c) + "/"
		}
		a = answer{status: http.StatusMovedPermanently, header: http.Header{"Location": {to}}}
	case s.switches.maintenance:
		a = messageAnswer(http.StatusServiceUnavailable, "GitLab is undergoing maintenance")
	default:
		a = messageAnswer(http.StatusForbidden, "You cannot perform write operations on a read-only instance")
	}
	return &a
}

// page answers what is not of the API, as GitLab's web interface does to somebody who is not signed in.
func (s *Simulator) page(c *call) answer {
	text := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	switch c.path {
	case "/-/health":
		return answer{status: http.StatusOK, header: text, body: []byte("GitLab OK")}
	case "/-/liveness", "/-/readiness":
		return answer{status: http.StatusOK, body: []byte(`{"status":"ok"}`)}
	}
	get := c.method == http.MethodGet || c.method == http.MethodHead
	outside := strings.HasPrefix(c.path, "//outside") || strings.Contains(c.path, apiRoot)
	if get && !outside && c.path != "/users/sign_in" {
		return answer{status: http.StatusFound, header: http.Header{"Location": {s.externalURL(c) + "/users/sign_in"}}}
	}
	return answer{
		status: http.StatusNotFound,
		header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		body:   []byte("<!DOCTYPE html>\n<html>\n<head><title>The page you're looking for could not be found (404)</title></head>\n<body><h1>404</h1></body>\n</html>\n"),
	}
}

// finish adds what every answer has.
func (s *Simulator) finish(c *call, a answer, extra http.Header) answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	for key, values := range extra {
		a.header[key] = values
	}
	if a.header.Get("Content-Type") == "" && len(a.body) > 0 {
		a.header.Set("Content-Type", "application/json")
	}
	a.header.Set("X-Request-Id", fmt.Sprintf("01SIMULATED%015d", c.entry.Seq))
	a.header.Set("Cache-Control", "max-age=0, private, must-revalidate")
	a.header.Set("X-Content-Type-Options", "nosniff")
	return a
}

// externalURL is what GitLab believes its address to be.
func (s *Simulator) externalURL(c *call) string {
	if s.switches.externalURL != "" {
		return s.switches.externalURL
	}
	return c.scheme + "://" + c.host + s.options.BasePath
}

func errorAnswer(status int, text string) answer {
	return jsonAnswer(status, struct {
		Error string `json:"error"`
	}{text})
}

func messageAnswer(status int, message any) answer {
	return jsonAnswer(status, struct {
		Message any `json:"message"`
	}{message})
}

// recordNotFound differs from the answer of a switched off feature by one letter's case.
func recordNotFound() answer { return messageAnswer(http.StatusNotFound, "404 Not found") }

func internalError() answer {
	return messageAnswer(http.StatusInternalServerError, "500 Internal Server Error")
}

func jsonAnswer(status int, body any) answer {
	return answer{status: status, body: encode(body)}
}

// encode is JSON as GitLab writes it: without a line end and without escaped HTML.
func encode(v any) []byte {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
