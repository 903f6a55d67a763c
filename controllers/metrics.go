// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

const metricsPrefix = "gitlab_cluster_operator_"

// No metric has a label per object: their number would grow with the fleet.
var (
	requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + "gitlab_requests_total",
		Help: "Requests to GitLab by outcome; code 0 stands for no answer."}, []string{"gitlab", "method", "endpoint", "code"})
	requestSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metricsPrefix + "gitlab_request_duration_seconds",
		Help: "Time from the start of a request to GitLab to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)},
		[]string{"gitlab", "method", "endpoint"})
	rateLimitRemaining = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricsPrefix + "gitlab_rate_limit_remaining",
		Help: "Requests that GitLab's rate limit still allows, as its last answer said."}, []string{"gitlab"})
	driftTotal = prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + "drift_total",
		Help: "Fields that were changed in GitLab and put back."}, []string{"field"})
	createsResolved = prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + "creates_resolved_total",
		Help: "Adds with a lost answer by what was found: taken, or added anew after none was found."}, []string{"outcome"})
	mirrorRefreshed = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricsPrefix + "mirror_refresh_timestamp_seconds",
		Help: "When GitLab's clusters were last listed in full."}, []string{"gitlab"})
	resourcesDesc = prometheus.NewDesc(metricsPrefix+"resources", "GitLabInstanceClusters by the status and reason of Ready.",
		[]string{"ready", "reason"}, nil)
)

func init() {
	metrics.Registry.MustRegister(requestsTotal, requestSeconds, rateLimitRemaining, driftTotal, createsResolved, mirrorRefreshed)
}

// ObserveExchange counts one request to a GitLab.
func ObserveExchange(gitLabURL string, e gitlab.Exchange) {
	requestsTotal.WithLabelValues(gitLabURL, e.Method, e.Endpoint, strconv.Itoa(e.Status)).Inc()
	requestSeconds.WithLabelValues(gitLabURL, e.Method, e.Endpoint).Observe(e.Duration.Seconds())
	if e.RateLimit.Known {
		rateLimitRemaining.WithLabelValues(gitLabURL).Set(float64(e.RateLimit.Remaining))
	}
}

// ObserveRefresh notes when a GitLab was last listed in full.
func ObserveRefresh(gitLabURL string, at time.Time) {
	mirrorRefreshed.WithLabelValues(gitLabURL).Set(float64(at.UnixMilli()) / 1000)
}

// count notes drift that was put back, and how a lost answer was resolved.
func count(d decision, res result) {
	if res.Err != nil {
		return
	}
	switch {
	case d.Verb == verbEdit && res.Drift:
		for _, path := range specPaths(d.Fields) {
			driftTotal.WithLabelValues(path).Inc()
		}
	case d.Verb == verbTake:
		createsResolved.WithLabelValues("taken").Inc()
	case d.Verb == verbAdd && res.Again:
		createsResolved.WithLabelValues("added").Inc()
	}
}

// resourceCollector counts the objects in the cache whenever metrics are read.
type resourceCollector struct{ reader client.Reader }

// RegisterResources makes the manager's metrics count the objects by readiness and reason.
func RegisterResources(reader client.Reader) error {
	return metrics.Registry.Register(resourceCollector{reader})
}

// Describe implements prometheus.Collector.
func (c resourceCollector) Describe(ch chan<- *prometheus.Desc) { ch <- resourcesDesc }

// Collect implements prometheus.Collector.
func (c resourceCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var list v1alpha1.GitLabInstanceClusterList
	if err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ch <- prometheus.NewInvalidMetric(resourcesDesc, err)
		return
	}
	counts := map[[2]string]int{}
	for i := range list.Items {
		key := [2]string{"Unknown", ""}
		if ready := meta.FindStatusCondition(list.Items[i].Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			key = [2]string{string(ready.Status), ready.Reason}
		}
		counts[key]++
	}
	for key, n := range counts {
		ch <- prometheus.MustNewConstMetric(resourcesDesc, prometheus.GaugeValue, float64(n), key[0], key[1])
	}
}
