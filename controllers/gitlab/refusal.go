// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxFields = 32
	maxPerKey = 8
)

// refused is the error of an answer with another status than the one promised.
func (x *exchange) refused(body []byte, now time.Time) *Error {
	e := x.fail(kindOf(x.status, x.call.endpoint))
	e.RetryAfter = readRetryAfter(x.status, x.header, now)
	var text string
	switch e.Kind {
	case KindRedirect:
		text = describeRedirect(x.call.url, x.header.Get("Location"))
	case KindUnreadable:
		text = fmt.Sprintf("%d was expected", x.call.status)
	default:
		words := readRefusal(x.header, body)
		text = words.text
		e.Maintenance = x.status == http.StatusServiceUnavailable && words.message
		e.Fields = x.tellFields(words.fields)
	}
	e.Message = x.tell(text)
	if e.Message == "" {
		e.Message = nonEmpty(http.StatusText(x.status), "no explanation")
	}
	return e
}

// unreadable is the error of a success that is not as promised.
func (x *exchange) unreadable(text string, cause error) *Error {
	e := x.fail(KindUnreadable)
	e.Message = x.tell(text)
	e.Err = cause
	return e
}

func (x *exchange) fail(kind Kind) *Error {
	return &Error{Kind: kind, Method: x.call.method, Endpoint: x.call.endpoint, Status: x.status, Sent: true,
		RequestID: x.requestID}
}

func (x *exchange) tell(text string) string {
	if len(x.requestID) >= 8 {
		text = strings.ReplaceAll(text, x.requestID, "")
	}
	return tell(text, x.secrets)
}

func (x *exchange) tellFields(fields map[string][]string) map[string][]string {
	if len(fields) == 0 {
		return nil
	}
	told := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(fields))[:min(len(fields), maxFields)] {
		var messages []string
		for _, message := range fields[key][:min(len(fields[key]), maxPerKey)] {
			messages = append(messages, x.tell(message))
		}
		told[x.tell(key)] = messages
	}
	return told
}

// words are what an answer says of its refusal.
type words struct {
	text   string
	fields map[string][]string
	// message tells that they stood under "message" in JSON: GitLab itself said them.
	message bool
}

// readRefusal understands all the ways in which GitLab and the proxies before it explain themselves: JSON with a
// message that is a text or an object of texts by attribute, JSON with an error and perhaps its description, plain
// text, and web pages.
func readRefusal(header http.Header, body []byte) words {
	switch {
	case isPage(header, body):
		return words{text: describePage(body)}
	case begins(body, '{'):
		var said struct {
			Message          any `json:"message"`
			Error            any `json:"error"`
			ErrorDescription any `json:"error_description"`
		}
		if json.Unmarshal(body, &said) != nil {
			return words{}
		}
		if said.Message != nil {
			return words{text: flatten(said.Message, 0), fields: perKey(said.Message), message: true}
		}
		text := flatten(said.Error, 0)
		if more := flatten(said.ErrorDescription, 0); more != "" {
			text = strings.TrimPrefix(text+": "+more, ": ")
		}
		return words{text: text}
	case begins(body, '['), !utf8.Valid(body[:min(len(body), 256)]):
		return words{}
	}
	return words{text: string(body[:min(len(body), maxQuoted)])}
}

func perKey(message any) map[string][]string {
	object, ok := message.(map[string]any)
	if !ok {
		return nil
	}
	fields := map[string][]string{}
	for key, value := range object {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, item := range list {
			if text := flatten(item, 1); text != "" {
				fields[key] = append(fields[key], text)
			}
		}
	}
	return fields
}

// flatten writes JSON as a sentence; keys in order, so that it is the same each time.
func flatten(value any, depth int) string {
	const deepest = 4
	if value == nil || depth > deepest {
		return ""
	}
	switch v := value.(type) {
	case []any:
		var parts []string
		for _, item := range v {
			if text := flatten(item, depth+1); text != "" {
				parts = append(parts, text)
			}
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if text := flatten(v[key], depth+1); text != "" {
				parts = append(parts, key+": "+text)
			}
		}
		return strings.Join(parts, "; ")
	}
	return strings.TrimSpace(fmt.Sprint(value))
}

func isPage(header http.Header, body []byte) bool {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return kind == "text/html" || begins(body, '<')
}

var title = regexp.MustCompile(`(?is)<title[^>]*>([^<]*)</title>`)

func describePage(body []byte) string {
	if found := title.FindSubmatch(body[:min(len(body), maxQuoted)]); found != nil {
		if text := oneLine(html.UnescapeString(string(found[1]))); text != "" {
			// Not %q: a secret in quotes would no longer be known as one.
			return `a web page with the title "` + text + `"`
		}
	}
	return "a web page"
}

// describeBody says why the body of a success was not accepted.
func describeBody(header http.Header, body []byte, err error) string {
	if isPage(header, body) {
		return "not JSON but " + describePage(body) + ": the URL may lead to a login page, or not to GitLab"
	}
	return "unexpected answer: " + err.Error()
}

func describeRedirect(from *url.URL, location string) string {
	to, err := from.Parse(location)
	if location == "" || err != nil || to.Host == "" {
		return "a redirect to nowhere, not followed"
	}
	target := (&url.URL{Scheme: to.Scheme, Host: to.Host}).String()
	return "a redirect to " + target + ", not followed"
}

func requestID(header http.Header) string {
	id := oneLine(header.Get("X-Request-Id"))
	return id[:min(len(id), 128)]
}

func nonEmpty(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
