// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// unclear are answers to an add that say neither that it was made nor that it was not.
var unclear = map[string]simulator.Fault{
	"end of the connection":       {Drop: simulator.DropClose},
	"reset of the connection":     {Drop: simulator.DropReset},
	"no answer in time":           {Hold: true},
	"500":                         {Answer: &simulator.Answer{Status: 500, Body: `{"message":"500 Internal Server Error"}`}},
	"502 in HTML":                 {Answer: &simulator.Answer{Status: 502, Body: simulator.BadGatewayPage}},
	"504 without a body":          {Answer: &simulator.Answer{Status: 504}},
	"302":                         {Answer: &simulator.Answer{Status: 302, Redirect: "https://gitlab.example.com"}},
	"200 in HTML":                 {Answer: &simulator.Answer{Status: 200, Body: "<html></html>"}},
	"202":                         {Answer: &simulator.Answer{Status: 202, Body: "{}"}},
	"201 without an id":           {Answer: &simulator.Answer{Status: 201, Body: `{"name":"production"}`}},
	"201 in half":                 {Answer: &simulator.Answer{Status: 201, Body: `{"id": 2, "na`}},
	"201 without end":             {Answer: &simulator.Answer{Status: 201, Endless: true}},
	"201 whose body is too slow":  {Answer: &simulator.Answer{Status: 201, Body: `{"id": 2, "name": "production"}`}, Pace: time.Second},
	"answer of somebody's portal": {Answer: &simulator.Answer{Status: 200, Body: "please log in"}},
}

// TestUnclearAnswers has GitLab, or what lies before it, answer an add in each of these ways, whether it was made or not:
// there is one cluster in the end, and a second add only if the first was not made.
func TestUnclearAnswers(t *testing.T) {
	first, p, _ := begin(t, "--gitlab-timeout=3s")
	var running sync.WaitGroup
	defer running.Wait()
	for name, fault := range unclear {
		for _, made := range []bool{true, false} {
			fault := fault
			title := name + " and not made"
			fault.Times, fault.Endpoint, fault.Point = 1, "add", simulator.BeforeHandling
			if made {
				title = name + " and made"
				fault.Point = simulator.AfterHandling
			} else if fault.Hold {
				fault.Drop = simulator.DropReset // it must not be made once it is let go
			}
			running.Go(func() {
				t.Run(strings.ReplaceAll(title, " ", "_"), func(t *testing.T) {
					named.Add(1)
					w := newWorld(t, first.label)
					w.guard(p)
					w.GitLab.Inject(fault)
					ready(w)
					want := 2
					if made {
						want = 1
					}
					if sent, count := w.sent("add"); sent != want || count != 1 {
						w.Errorf("%d adds were sent and %d made rather than %d and 1", sent, count, want)
					}
					w.end()
					w.Expect(w.ours()).To(haveLen(1))
				})
			})
		}
	}
}
