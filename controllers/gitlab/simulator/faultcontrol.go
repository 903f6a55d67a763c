// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faultBody is a Fault in JSON: point is before (the default), save or after; drop is close or reset.
type faultBody struct {
	Number   int         `json:"number,omitempty"`
	Hits     int         `json:"hits,omitempty"`
	Name     string      `json:"name,omitempty"`
	Method   string      `json:"method,omitempty"`
	Endpoint string      `json:"endpoint,omitempty"`
	Path     string      `json:"path,omitempty"`
	Skip     int         `json:"skip,omitempty"`
	Times    int         `json:"times,omitempty"`
	Point    string      `json:"point,omitempty"`
	Delay    duration    `json:"delay,omitempty"`
	Hold     bool        `json:"hold,omitempty"`
	Drop     string      `json:"drop,omitempty"`
	Late     bool        `json:"late,omitempty"`
	Answer   *answerBody `json:"answer,omitempty"`
	Cut      int         `json:"cut,omitempty"`
	CutAll   bool        `json:"cut_all,omitempty"`
	Pace     duration    `json:"pace,omitempty"`
}

type answerBody struct {
	Status  int               `json:"status"`
	Header  map[string]string `json:"header,omitempty"`
	Body    string            `json:"body,omitempty"`
	Endless bool              `json:"endless,omitempty"`
	// Redirect needs no status.
	Redirect string `json:"redirect,omitempty"`
}

var (
	points = map[string]Point{"": BeforeHandling, "before": BeforeHandling, "save": BeforeSave, "after": AfterHandling}
	drops  = map[string]Drop{"": DropNone, "close": DropClose, "reset": DropReset}
)

func (b faultBody) fault() (Fault, error) {
	point, known := points[b.Point]
	if !known {
		return Fault{}, fmt.Errorf("point %q: use before, save or after", b.Point)
	}
	drop, known := drops[b.Drop]
	if !known {
		return Fault{}, fmt.Errorf("drop %q: use close or reset", b.Drop)
	}
	if _, err := regexp.Compile(b.Path); err != nil {
		return Fault{}, err
	}
	f := Fault{
		Name: b.Name, Method: b.Method, Endpoint: b.Endpoint, Path: b.Path, Skip: b.Skip, Times: b.Times, Point: point,
		Delay: time.Duration(b.Delay), Hold: b.Hold, Drop: drop, Late: b.Late, Cut: b.Cut, CutAll: b.CutAll,
		Pace: time.Duration(b.Pace),
	}
	if b.Answer != nil {
		if b.Answer.Redirect == "" && (b.Answer.Status < 200 || b.Answer.Status > 599) {
			return Fault{}, fmt.Errorf("answer.status %d: use 200 to 599", b.Answer.Status)
		}
		f.Answer = &Answer{Status: b.Answer.Status, Header: http.Header{}, Body: b.Answer.Body,
			Endless: b.Answer.Endless, Redirect: b.Answer.Redirect}
		for key, value := range b.Answer.Header {
			f.Answer.Header.Set(key, value)
		}
	}
	return f, nil
}

func (s *Simulator) faultControls(mux *http.ServeMux) {
	mux.HandleFunc("GET /-/simulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		bodies := []faultBody{}
		for _, in := range s.injected() {
			bodies = append(bodies, faultBody{Number: in.number, Name: in.fault.Name, Method: in.fault.Method,
				Endpoint: in.fault.Endpoint, Path: in.fault.Path, Hits: in.Hits()})
		}
		show(w, http.StatusOK, bodies)
	})
	mux.HandleFunc("POST /-/simulator/faults", func(w http.ResponseWriter, r *http.Request) {
		var b faultBody
		if !accept(w, r, &b) {
			return
		}
		f, err := b.fault()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		show(w, http.StatusCreated, faultBody{Number: s.Inject(f).number})
	})
	mux.HandleFunc("DELETE /-/simulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.RemoveFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	one := func(do func(*Injected)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			number, _ := strconv.Atoi(r.PathValue("number"))
			all := s.injected()
			at := slices.IndexFunc(all, func(in *Injected) bool { return in.number == number })
			if at < 0 {
				http.Error(w, "no such fault", http.StatusNotFound)
				return
			}
			do(all[at])
			w.WriteHeader(http.StatusNoContent)
		}
	}
	mux.HandleFunc("POST /-/simulator/faults/{number}/release", one((*Injected).Release))
	mux.HandleFunc("DELETE /-/simulator/faults/{number}", one((*Injected).Remove))
}

func (s *Simulator) injected() []*Injected {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.active)
}

// withoutTokens is a request's body as others may see it.
func withoutTokens(content string, body []byte) string {
	media, _, _ := mime.ParseMediaType(content)
	switch {
	case len(body) == 0:
		return ""
	case media == "application/json":
		var value any
		if json.Unmarshal(body, &value) == nil {
			filter(value)
			return string(encode(value))
		}
	case media == "application/x-www-form-urlencoded":
		pairs := strings.Split(string(body), "&")
		for i, pair := range pairs {
			key, _, _ := strings.Cut(pair, "=")
			if name, err := url.QueryUnescape(key); err != nil || strings.Contains(name, "token") {
				pairs[i] = key + "=[FILTERED]"
			}
		}
		return strings.Join(pairs, "&")
	}
	return fmt.Sprintf("[%d bytes]", len(body))
}

func filter(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			if strings.Contains(key, "token") {
				v[key] = "[FILTERED]"
			} else {
				filter(member)
			}
		}
	case []any:
		for _, member := range v {
			filter(member)
		}
	}
}
