// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record/util"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

const (
	// Limits of events.k8s.io/v1, in bytes.
	longestNote     = 1024
	longestInstance = 128
	// announceTime is how long a pass waits for its event to be written.
	announceTime = 2 * time.Second
)

// announce tells the news of a pass as an event: what was done, or what the object waits for now. An event that cannot
// be written is lost: the status says the same.
func (r *Reconciler) announce(ctx context.Context, p *pass, rep report) {
	var event *eventsv1.Event
	switch {
	case rep.News != "":
		event = newEvent(p.obj, corev1.EventTypeNormal, rep.News, rep.NewsMessage)
	case rep.Reason != v1alpha1.ReasonSynced && rep.Reason != v1alpha1.ReasonSuspended && rep.Message != "":
		event = newEvent(p.obj, corev1.EventTypeWarning, rep.Reason, rep.Message)
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceTime)
	defer cancel()
	if _, err := r.Events.Create(ctx, event); err != nil {
		log.FromContext(ctx).Info("no event was written", "event", event.Reason, "cause", err.Error())
	}
}

// reportingController is who writes the events.
const reportingController = "gitlab-instance-cluster-operator"

var reportingInstance = func() string {
	host, _ := os.Hostname() // without one, the controller's name alone stands there
	return cut(reportingController+"-"+host, longestInstance)
}()

func newEvent(obj *v1alpha1.GitLabInstanceCluster, kind, reason, note string) *eventsv1.Event {
	now := time.Now()
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: obj.Namespace, Name: util.GenerateEventName(obj.Name, now.UnixNano())},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: reportingController,
		ReportingInstance:   reportingInstance,
		Action:              "Reconcile",
		Type:                kind,
		Reason:              reason,
		Note:                cut(note, longestNote),
		Regarding: corev1.ObjectReference{
			APIVersion:      v1alpha1.GroupVersion.String(),
			Kind:            "GitLabInstanceCluster",
			Namespace:       obj.Namespace,
			Name:            obj.Name,
			UID:             obj.UID,
			ResourceVersion: obj.ResourceVersion,
		},
	}
}

// cut shortens text to most bytes, without a part of a character at the end.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
