// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"time"
)

// auditPolicy logs a write before and after it is handled, so that no write that was answered is missing from the
// log, and a read once.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted]
rules:
  - level: None
    users: [system:apiserver]
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: Metadata
    omitStages: [RequestReceived]
`

// Audit is the audit log of the API server.
type Audit struct{ path string }

// Mark is a moment in the audit log.
type Mark int64

// Request is one request that the API server answered.
type Request struct {
	User, UserAgent         string
	Verb                    string
	Group, Resource         string
	Subresource             string
	Namespace, Name         string
	URI                     string
	Code                    int
	ReceivedAt, CompletedAt time.Time
}

// Write says whether the request changed something: a write that the API server refused did not.
func (r Request) Write() bool {
	switch r.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return r.Code < 300
	}
	return false
}

// Bookkeeping says whether the request is about a lease or an event, or asks who somebody is or what they may do.
func (r Request) Bookkeeping() bool {
	switch r.Resource {
	case "leases", "events", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews":
		return true
	}
	return false
}

// String names the request as "patch gitlabinstanceclusters/status test-1/production 200".
func (r Request) String() string {
	resource := r.Resource
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	return fmt.Sprintf("%s %s %s/%s %d", r.Verb, resource, r.Namespace, r.Name, r.Code)
}

// Now is the end of the log as it is.
func (a *Audit) Now(t T) Mark {
	t.Helper()
	info, err := os.Stat(a.path)
	if err != nil {
		t.Fatalf("looking at the audit log: %v", err)
	}
	return Mark(info.Size())
}

// Since returns the requests logged after the mark that each of the filters keeps, in the order of their completion.
// It waits for the writes that were received before the call; those of others go on meanwhile.
func (a *Audit) Since(t T, mark Mark, keep ...func(Request) bool) []Request {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	_, awaited, err := a.read(mark)
	for {
		var requests []Request
		var open map[string]bool
		if err == nil {
			requests, open, err = a.read(mark)
		}
		if err != nil {
			t.Fatalf("reading the audit log: %v", err)
		}
		maps.DeleteFunc(awaited, func(id string, _ bool) bool { return !open[id] })
		if len(awaited) == 0 {
			return filter(requests, keep)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d writes are not completed after a minute", len(awaited))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Writes returns what a user has changed since the mark, leases, events and reviews apart.
func (a *Audit) Writes(t T, mark Mark, user string) []Request {
	t.Helper()
	return a.Since(t, mark, By(user), Request.Write, func(r Request) bool { return !r.Bookkeeping() })
}

// By keeps the requests of one user.
func By(user string) func(Request) bool {
	return func(r Request) bool { return r.User == user }
}

// To keeps the requests for one object.
func To(namespace, name string) func(Request) bool {
	return func(r Request) bool { return r.Namespace == namespace && r.Name == name }
}

func filter(requests []Request, keep []func(Request) bool) []Request {
	var kept []Request
next:
	for _, request := range requests {
		for _, keeps := range keep {
			if !keeps(request) {
				continue next
			}
		}
		kept = append(kept, request)
	}
	return kept
}

// entry is the part of an audit.k8s.io/v1 Event that is used here.
type entry struct {
	AuditID    string `json:"auditID"`
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	UserAgent  string `json:"userAgent"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ImpersonatedUser *struct {
		Username string `json:"username"`
	} `json:"impersonatedUser"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
	StageTimestamp           time.Time `json:"stageTimestamp"`
}

// read returns the completed requests after the mark, and which writes are received only.
func (a *Audit) read(mark Mark) (requests []Request, open map[string]bool, err error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	// A line that was being written at the mark belongs to what was before.
	begin := max(int64(mark)-1, 0)
	content := make([]byte, info.Size()-begin)
	if _, err := file.ReadAt(content, begin); err != nil {
		return nil, nil, err
	}
	if mark > 0 {
		content = content[bytes.IndexByte(content, '\n')+1:]
	}
	// A line that is being written is not complete yet.
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	open = map[string]bool{}
	for line := range bytes.Lines(content) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, nil, err
		}
		if e.Stage == "RequestReceived" {
			open[e.AuditID] = true
			continue
		}
		delete(open, e.AuditID)
		requests = append(requests, e.request())
	}
	return requests, open, nil
}

func (e entry) request() Request {
	user := e.User.Username
	if e.ImpersonatedUser != nil {
		user = e.ImpersonatedUser.Username
	}
	return Request{
		User: user, UserAgent: e.UserAgent, Verb: e.Verb,
		Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
		URI: e.RequestURI, Code: e.ResponseStatus.Code,
		ReceivedAt: e.RequestReceivedTimestamp, CompletedAt: e.StageTimestamp,
	}
}
