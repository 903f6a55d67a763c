// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// TestSettles tells of lists, one after another, when it is sure that an add which was sent at minute 10 came to nothing
// if GitLab may take 90 minutes.
func TestSettles(t *testing.T) {
	at := func(minute int) time.Time { return time.Unix(0, 0).Add(time.Duration(minute) * time.Minute) }
	type list struct {
		minute  int
		holders []gitlab.Cluster
		url     string
		owned   bool
		settled bool
	}
	made := []gitlab.Cluster{aCluster(8)}
	for name, lists := range map[string][]list{
		"one list is not enough, however late":             {{minute: 500}},
		"nor are two before the time":                      {{minute: 11}, {minute: 99}},
		"two lists, the second after the time":             {{minute: 11}, {minute: 100, settled: true}},
		"the same list twice is one":                       {{minute: 200}, {minute: 200}},
		"a cluster that came in between is found":          {{minute: 11}, {minute: 100, holders: made}},
		"a list of another GitLab says nothing":            {{minute: 200, url: there}, {minute: 201, url: there}},
		"a cluster from before is not the one":             {{minute: 11, holders: []gitlab.Cluster{aCluster(6)}}, {minute: 100, holders: []gitlab.Cluster{aCluster(6)}, settled: true}},
		"nor is one that another object has recorded":      {{minute: 11, holders: made, owned: true}, {minute: 100, holders: made, owned: true, settled: true}},
		"once sure, another GitLab can be looked at again": {{minute: 11}, {minute: 100, settled: true}, {minute: 101, url: there, settled: true}},
	} {
		t.Run(name, func(t *testing.T) {
			known := intentMemory{attempt: 1, since: at(10)}
			for _, l := range lists {
				o := observed{URL: here, Holders: l.holders, Owners: map[int64]owner{}}
				if l.url != "" {
					o.URL = l.url
				}
				if l.owned {
					o.Owners[8] = owner{Name: "team/other"}
				}
				if got := known.settles(recorded{Intent: anIntent(7)}, aWant(), o, at(l.minute), 90*time.Minute); got != l.settled {
					t.Errorf("settled at minute %d: %t", l.minute, got)
				}
			}
		})
	}
}
