// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// readiness notes when each object was first seen to be Ready. It decodes no more of the events than it needs: what it
// uses of the CPU is missing to those who are measured.
type readiness struct {
	mu    sync.Mutex
	at    map[string]time.Time
	err   error
	all   chan struct{}
	want  int
	ended bool
}

// watchReady watches the contestant's objects from now on until ctx ends. A watch that the API server ends is begun
// again: it then tells of all objects first.
func (r *run) watchReady(ctx context.Context) (*readiness, error) {
	seen := &readiness{at: map[string]time.Time{}, all: make(chan struct{}), want: r.m.N}
	body, err := r.watch(ctx)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			err := errors.Join(seen.read(body), body.Close())
			if ctx.Err() != nil {
				seen.end(ctx.Err())
				return
			}
			r.say("the watch ended (%v) and is begun again", err)
			_ = sleep(ctx, 100*time.Millisecond) // the next watch fails if ctx ends
			if body, err = r.watch(ctx); err != nil {
				seen.end(err)
				return
			}
		}
	}()
	return seen, nil
}

func (r *run) watch(ctx context.Context) (io.ReadCloser, error) {
	config := rest.CopyConfig(r.cp.Config)
	config.Timeout = 0
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	resource := r.resource()
	url := fmt.Sprintf("%s/apis/%s/%s/namespaces/%s/%s?watch=1&timeoutSeconds=3600", strings.TrimRight(config.Host, "/"),
		resource.Group, resource.Version, r.namespace, resource.Resource)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return nil, errors.Join(fmt.Errorf("watch: %s: %s", response.Status, text), response.Body.Close())
	}
	return response.Body, nil
}

func (s *readiness) read(body io.Reader) error {
	decoder := json.NewDecoder(body)
	for {
		var event struct {
			Type   string
			Object struct {
				Metadata struct{ Name string }
				Status   struct {
					Conditions []struct{ Type, Status string }
				}
			}
		}
		if err := decoder.Decode(&event); err != nil {
			return err
		}
		if strings.EqualFold(event.Type, "ERROR") {
			return errors.New("the watch broke off")
		}
		for _, condition := range event.Object.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" {
				s.ready(event.Object.Metadata.Name)
			}
		}
	}
}

func (s *readiness) ready(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.at[name]; known {
		return
	}
	s.at[name] = time.Now()
	if len(s.at) == s.want {
		s.ended = true
		close(s.all)
	}
}

func (s *readiness) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.err = true, fmt.Errorf("watching objects: %w", err)
		close(s.all)
	}
}

func (s *readiness) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}
