// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Kind says in what way a request failed, as far as the next step depends on it.
type Kind int

// The kinds of failure.
const (
	// KindUnreachable: no complete answer: name resolution, connection, timeout.
	KindUnreachable Kind = iota + 1
	// KindTLS: the server's certificate was not verified.
	KindTLS
	// KindRedirect: any 3xx; none is followed.
	KindRedirect
	// KindRateLimited: 429.
	KindRateLimited
	// KindUnauthorized: 401.
	KindUnauthorized
	// KindForbidden: 403.
	KindForbidden
	// KindNotFound: 404 on anything but the list. The cluster may be gone, the feature switched off or the API
	// removed; only a list that answers tells.
	KindNotFound
	// KindDisabled: 404 on the list.
	KindDisabled
	// KindInvalid: 400 and its relatives: the request was understood and refused.
	KindInvalid
	// KindServer: 5xx and every status without a kind of its own.
	KindServer
	// KindUnreadable: a success whose body is not as promised, or of another number than promised.
	KindUnreadable
)

var kindNames = [...]string{"", "unreachable", "TLS", "redirect", "rate limited", "unauthorized", "forbidden",
	"not found", "disabled", "invalid", "server error", "unreadable"}

func (k Kind) String() string {
	if k < 1 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// kindOf is the kind of a status that is not the one the endpoint promises.
func kindOf(status int, endpoint string) Kind {
	switch status {
	case http.StatusUnauthorized:
		return KindUnauthorized
	case http.StatusForbidden:
		return KindForbidden
	case http.StatusNotFound:
		if endpoint == endpointList {
			return KindDisabled
		}
		return KindNotFound
	case http.StatusTooManyRequests:
		return KindRateLimited
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusConflict,
		http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		return KindInvalid
	}
	switch status / 100 {
	case 2:
		return KindUnreadable
	case 3:
		return KindRedirect
	}
	return KindServer
}

// Error is why a request failed. Every error of a Client's requests is one.
type Error struct {
	Kind Kind
	// Method and Endpoint are as in Exchange.
	Method, Endpoint string
	// Status is 0 if no answer came.
	Status int
	// Message has GitLab's words, or what the connection said: one line of at most 512 bytes, without the secrets of
	// the request, and the same at each try.
	Message string
	// Fields has GitLab's words on each attribute that it refused, by its name in GitLab's model, such as
	// "environment_scope" or "platform_kubernetes.api_url".
	Fields map[string][]string
	// RetryAfter is how long GitLab wants to be left alone, 0 if it did not say; never 0 in KindRateLimited.
	RetryAfter time.Duration
	// Sent tells that at least one byte of the request may have left.
	Sent bool
	// Maintenance tells that GitLab refuses writes for now: a 503 that GitLab itself answered, not a proxy.
	Maintenance bool
	// RequestID is GitLab's name of the request in its logs, "" if none.
	RequestID string
	// Err is the cause for errors.Is and errors.As, nil if there is none. Its text is not scrubbed.
	Err error
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return e.Endpoint + ": " + e.Message
	}
	return fmt.Sprintf("%s: GitLab answered %d: %s", e.Endpoint, e.Status, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// refusals are the statuses with which GitLab, or what stands before it, says that it did nothing.
var refusals = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusConflict, http.StatusPreconditionFailed,
	http.StatusUnsupportedMediaType, http.StatusTooManyRequests,
}

// Refused tells that the request certainly had no effect. Everything else may have had one.
func (e *Error) Refused() bool {
	if e.Status == 0 {
		return !e.Sent
	}
	return slices.Contains(refusals, e.Status)
}

// DuplicateScope tells that another cluster of the instance has the scope already, or one of the management project
// (unique_environment_scope and unique_management_project_environment_scope in app/models/clusters/cluster.rb).
func (e *Error) DuplicateScope() bool {
	return e.Status == http.StatusBadRequest &&
		slices.Contains(e.Fields["environment_scope"], "cannot add duplicated environment scope")
}
