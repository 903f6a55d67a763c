// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

// reading returns the metrics' handler behind the filter, with an API server that answers as review does.
func reading(t *testing.T, review http.HandlerFunc) http.Handler {
	t.Helper()
	api := httptest.NewServer(review)
	t.Cleanup(api.Close)
	filter, err := readersOnly(&rest.Config{Host: api.URL}, api.Client())
	if err != nil {
		t.Fatal(err)
	}
	handler, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func read(handler http.Handler, authorization string) int {
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Authorization", authorization)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer.Code
}

func TestNobodyReadsMetricsUnreviewed(t *testing.T) {
	var asked atomic.Int32
	handler := reading(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "away", http.StatusForbidden)
	})
	for _, authorization := range []string{"", "Bearer ", "Basic token"} {
		if code := read(handler, authorization); code != http.StatusUnauthorized || asked.Load() != 0 {
			t.Errorf("%q: %d after %d reviews", authorization, code, asked.Load())
		}
	}
	if code := read(handler, "Bearer token"); code != http.StatusInternalServerError || asked.Load() != 1 {
		t.Errorf("%d after %d reviews", code, asked.Load())
	}
}

func TestStrangersHaveFewReviewsAtOnce(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	handler := reading(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		http.Error(w, "away", http.StatusForbidden)
	})
	codes := make(chan int, reviewsAtOnce)
	for range reviewsAtOnce {
		go func() { codes <- read(handler, "Bearer token") }()
	}
	for range reviewsAtOnce {
		<-arrived
	}
	if code := read(handler, "Bearer token"); code != http.StatusTooManyRequests {
		t.Error(code)
	}
	close(release)
	for range reviewsAtOnce {
		if code := <-codes; code != http.StatusInternalServerError {
			t.Error(code)
		}
	}
}
