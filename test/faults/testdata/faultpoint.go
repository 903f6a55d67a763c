// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"io"
	"net/http"
	"net/url"
	"os"
)

// FaultPoint asks whoever listens at $FAULT_POINTS, at three points of every request that writes, whether the goroutine
// that makes it panics there: before it is sent, with the answer lost, and with the answer read.
func FaultPoint(next http.RoundTripper) http.RoundTripper { return faultPoint{next} }

type faultPoint struct{ next http.RoundTripper }

func (f faultPoint) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return f.next.RoundTrip(r)
	}
	reach("before", r)
	response, err := f.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	reach("committed", r)
	response.Body = answered{response.Body, r}
	return response, nil
}

type answered struct {
	io.ReadCloser
	request *http.Request
}

func (a answered) Close() error {
	err := a.ReadCloser.Close()
	reach("after", a.request)
	return err
}

func reach(point string, r *http.Request) {
	var body io.Reader
	if r.GetBody != nil {
		body, _ = r.GetBody()
	}
	ask := os.Getenv("FAULT_POINTS") + "?" + url.Values{"point": {point}, "method": {r.Method}, "url": {r.URL.String()}}.Encode()
	response, err := http.Post(ask, "application/json", body)
	if err != nil {
		return
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusTeapot {
		panic("fault point " + point + " of " + r.Method)
	}
}
