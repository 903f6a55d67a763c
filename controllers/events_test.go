// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/tools/events"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

// sink takes events as the API server does, or fails.
type sink struct {
	events.EventSink
	err  error
	have []*eventsv1.Event
	left time.Duration // of the time for the last one
}

func (s *sink) Create(ctx context.Context, event *eventsv1.Event) (*eventsv1.Event, error) {
	s.have = append(s.have, event)
	if until, bounded := ctx.Deadline(); bounded && ctx.Err() == nil {
		s.left = time.Until(until)
	}
	return event, s.err
}

func TestAnnouncesNewsAndTrouble(t *testing.T) {
	obj := &v1alpha1.GitLabInstanceCluster{}
	obj.Namespace, obj.Name, obj.UID = "ns", "n", "u"
	long := strings.Repeat("ü", longestNote)
	for name, c := range map[string]struct {
		rep                report
		kind, reason, note string
	}{
		"news":          {report{News: "Created", NewsMessage: "cluster 5", Reason: v1alpha1.ReasonSynced, Message: "as it should be"}, "Normal", "Created", "cluster 5"},
		"trouble":       {report{Reason: v1alpha1.ReasonSecretNotFound, Message: "no Secret"}, "Warning", v1alpha1.ReasonSecretNotFound, "no Secret"},
		"a long text":   {report{Reason: v1alpha1.ReasonSecretNotFound, Message: long}, "Warning", v1alpha1.ReasonSecretNotFound, long[:longestNote]},
		"half a letter": {report{Reason: v1alpha1.ReasonSecretNotFound, Message: "x" + long}, "Warning", v1alpha1.ReasonSecretNotFound, "x" + long[:longestNote-2]},
		"synced":        {report{Reason: v1alpha1.ReasonSynced, Message: "as it should be"}, "", "", ""},
		"suspended":     {report{Reason: v1alpha1.ReasonSuspended, Message: "suspended"}, "", "", ""},
	} {
		s := &sink{err: errors.New("no answer")}
		ended, cancel := context.WithCancel(context.Background())
		cancel() // the manager stops
		(&Reconciler{Events: s}).announce(ended, &pass{obj: obj}, c.rep)
		if c.kind == "" {
			if len(s.have) != 0 {
				t.Errorf("%s: %v", name, s.have)
			}
			continue
		}
		if len(s.have) != 1 {
			t.Fatalf("%s: %d events", name, len(s.have))
		}
		if s.left <= 0 || s.left > announceTime {
			t.Errorf("%s: the pass waits for %v", name, s.left)
		}
		event := s.have[0]
		if event.Type != c.kind || event.Reason != c.reason || event.Note != c.note || !utf8.ValidString(event.Note) ||
			event.Namespace != "ns" || event.Regarding.Name != "n" || event.Regarding.UID != "u" || event.EventTime.IsZero() {
			t.Errorf("%s: %+v", name, event)
		}
	}
}
