// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"time"
)

const projectMessage = "Project does not exist or you don't have permission to perform this action"

// add is POST /admin/clusters/add.
func (s *Simulator) add(c *call, who caller, p params) answer {
	attrs, wrong := declareAdd(p)
	if wrong != "" {
		return errorAnswer(http.StatusBadRequest, wrong)
	}
	if a := s.checkProject(attrs.managementProjectID); a != nil {
		return *a
	}
	user := who.user
	ch := change{platform: true, token: true, after: Cluster{ProviderType: "user", User: &user}}
	attrs.assign(&ch.after)
	ch.after.AuthorizationType = attrs.authorizationType.is
	ch.after.normalize()
	if errs := s.validate(&ch); errs.any() {
		return messageAnswer(http.StatusBadRequest, errs)
	}
	s.waitToSave(c)
	now := s.options.Now()
	ch.after.CreatedAt, ch.after.UpdatedAt = now, now
	id := s.clusters.insert(ch.after)
	return answer{status: http.StatusCreated, body: s.encoded(c, id), clusterID: id, committed: true}
}

// edit is PUT /admin/clusters/:cluster_id.
func (s *Simulator) edit(c *call, p params) answer {
	id, attrs, wrong := declareEdit(c.route.id, p)
	if wrong != "" {
		return errorAnswer(http.StatusBadRequest, wrong)
	}
	row, ok := s.clusters.rows[id]
	if !ok {
		return recordNotFound()
	}
	if s.switches.oldEdit {
		attrs.managed = value[bool]{}
	}
	if a := s.checkProject(attrs.managementProjectID); a != nil {
		return *a
	}
	// A blank token is dropped, and the stored one stays (app/services/clusters/update_service.rb).
	if blank(attrs.token.is) {
		attrs.token = value[string]{}
	}
	before := row.Cluster
	ch := attrs.change(before)
	if errs := s.validate(&ch); errs.any() {
		return messageAnswer(http.StatusBadRequest, errs)
	}
	// The column managed is not nullable, and nothing but the database says so.
	if attrs.managed.null {
		return internalError()
	}
	s.waitToSave(c)
	// What was stored meanwhile stays where this request does not touch it: only changed columns are written.
	if row, ok = s.clusters.rows[id]; ok {
		after := attrs.change(row.Cluster).after
		after.UpdatedAt = s.options.Now()
		s.clusters.replace(after)
	}
	return answer{status: http.StatusOK, body: s.encodedEdit(c, id, ch.after), clusterID: id, committed: true}
}

// delete is DELETE /admin/clusters/:cluster_id. It answers 204 whatever becomes of Kubernetes.
func (s *Simulator) delete(c *call, cluster Cluster) answer {
	if since := c.header.Get("If-Unmodified-Since"); since != "" {
		if t, ok := parseTime(since); ok && cluster.UpdatedAt.After(t) {
			a := messageAnswer(http.StatusPreconditionFailed, "412 Precondition Failed")
			a.clusterID = cluster.ID
			return a
		}
	}
	s.clusters.remove(cluster.ID)
	return answer{status: http.StatusNoContent, clusterID: cluster.ID, committed: true}
}

// checkProject refuses a management project that does not exist; the model is not asked then.
func (s *Simulator) checkProject(id value[int64]) *answer {
	if !id.given || id.null {
		return nil
	}
	if _, ok := s.projects[id.is]; ok {
		return nil
	}
	errs := &modelErrors{}
	errs.add("management_project_id", projectMessage)
	return refuse(messageAnswer(http.StatusBadRequest, errs))
}

// waitToSave lets other requests go on while a fault keeps a checked change from being stored.
func (s *Simulator) waitToSave(c *call) {
	if c.save == nil {
		return
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	c.save()
}

// change assigns attributes to a cluster that exists.
func (a attributes) change(before Cluster) change {
	ch := change{before: &before, after: before, token: a.token.given}
	a.assign(&ch.after)
	ch.platform = ch.token || before.APIURL != ch.after.APIURL || differ(before.CACert, ch.after.CACert) ||
		differ(before.Namespace, ch.after.Namespace)
	if ch.platform {
		ch.after.normalize()
	}
	return ch
}

// assign puts the given attributes on a cluster. A null managed is left to the caller.
func (a attributes) assign(c *Cluster) {
	if a.name.given {
		c.Name = a.name.is
	}
	if a.enabled.given {
		c.Enabled = a.enabled.pointer()
	}
	if a.environmentScope.given {
		c.EnvironmentScope = strip(a.environmentScope.is)
	}
	c.NamespacePerEnvironment = a.namespacePerEnvironment.is
	if a.domain.given {
		c.Domain = a.domain.pointer()
	}
	if a.managementProjectID.given {
		c.ManagementProjectID = a.managementProjectID.pointer()
	}
	if a.managed.given {
		c.Managed = a.managed.is
	}
	if a.apiURL.given {
		c.APIURL = a.apiURL.is
	}
	if a.token.given {
		c.Token = a.token.is
	}
	if a.caCert.given {
		c.CACert = a.caCert.pointer()
	}
	if a.namespace.given {
		c.Namespace = a.namespace.pointer()
	}
}

func parseTime(text string) (time.Time, bool) {
	if t, err := http.ParseTime(text); err == nil {
		return t, true
	}
	for _, layout := range []string{time.RFC3339Nano, time.RFC1123Z, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
