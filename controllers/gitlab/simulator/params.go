// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// params are a request's parameters: nil, bool, json.Number, string, []any or params by name.
type params map[string]any

// malformedJSON is Grape's complaint, line ends and all.
const malformedJSON = "\nProblem:\n  message body does not match declared format\nResolution:\n  when specifying " +
	"application/json as content-type, you must pass valid application/json in the request's 'body' "

// parseParams reads the query and the body of a call, or returns the answer that refuses the body's format.
func parseParams(c *call) (params, *answer) {
	all := params{}
	nest(all, c.rawQuery)
	if len(c.body) == 0 || c.method == http.MethodGet || c.method == http.MethodHead {
		return all, nil
	}
	content := c.header.Get("Content-Type")
	media, options, _ := mime.ParseMediaType(content)
	switch media {
	case "application/json":
		return all, readJSON(all, c.body)
	case "application/x-www-form-urlencoded":
		nest(all, string(c.body))
	case "multipart/form-data":
		if err := readMultipart(all, c.body, options["boundary"]); err != nil {
			return nil, refuse(errorAnswer(http.StatusBadRequest, "bad content body"))
		}
	default:
		return nil, refuse(errorAnswer(http.StatusUnsupportedMediaType,
			"The provided content-type '"+content+"' is not supported."))
	}
	return all, nil
}

// readJSON adds the members of a JSON object; another value is as good as none.
func readJSON(all params, body []byte) *answer {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		return refuse(errorAnswer(http.StatusBadRequest, malformedJSON))
	}
	limits := &jsonLimits{}
	limits.walk(value, 0)
	if limits.exceeded != "" {
		return refuse(errorAnswer(http.StatusBadRequest, limits.exceeded))
	}
	if object, ok := convert(value).(params); ok {
		for key, member := range object {
			all[key] = member
		}
	}
	return nil
}

// jsonLimits are the caps on a body's structure (lib/gitlab/middleware/json_validation.rb).
type jsonLimits struct {
	elements int
	exceeded string
}

func (l *jsonLimits) walk(value any, depth int) {
	l.elements++
	if l.elements > 100_000 {
		l.exceeded = "Too many total parameters"
		return
	}
	if depth > 32 {
		l.exceeded = "Parameters nested too deeply"
		return
	}
	switch v := value.(type) {
	case []any:
		if len(v) > 50_000 {
			l.exceeded = "Array parameter too large"
			return
		}
		for _, member := range v {
			l.walk(member, depth+1)
		}
	case map[string]any:
		if len(v) > 50_000 {
			l.exceeded = "Hash parameter too large"
			return
		}
		for _, member := range v {
			l.walk(member, depth+1)
		}
	}
}

func convert(value any) any {
	switch v := value.(type) {
	case map[string]any:
		object := params{}
		for key, member := range v {
			object[key] = convert(member)
		}
		return object
	case []any:
		for i := range v {
			v[i] = convert(v[i])
		}
		return v
	}
	return value
}

// nest adds the pairs of a form, with a[b]=c as a member of a and a[]=c as an element.
func nest(all params, form string) {
	for pair := range strings.SplitSeq(form, "&") {
		key, value, given := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if err != nil || name == "" {
			continue
		}
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		if given {
			set(all, name, plain)
		} else {
			set(all, name, nil)
		}
	}
}

func readMultipart(all params, body []byte, boundary string) error {
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if part.FileName() != "" {
			set(all, part.FormName(), params{"filename": part.FileName(), "tempfile": string(value)})
		} else {
			set(all, part.FormName(), string(value))
		}
	}
}

// set puts a value where a name with brackets says.
func set(all params, name string, value any) {
	head, rest, nested := strings.Cut(name, "[")
	if !nested || head == "" {
		all[name] = value
		return
	}
	key, deeper, closed := strings.Cut(rest, "]")
	switch {
	case !closed:
		all[name] = value
	case key == "":
		list, _ := all[head].([]any)
		all[head] = append(slices.Clip(list), value)
	default:
		inner, ok := all[head].(params)
		if !ok {
			inner = params{}
			all[head] = inner
		}
		set(inner, key+deeper, value)
	}
}
