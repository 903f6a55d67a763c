// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// The model is one object, up to two managers that work on it at once, and up to two GitLabs. What a manager decides,
// claims and records is the product's code; the model is what lies between: the API server's fencing, the network, and
// GitLab. It assumes:
//
//   - An add that GitLab has not committed when the settle time has passed since its intent was written never is. That
//     rests on the deadline of a request being shorter than the settle time and counting from before the intent, so
//     that a manager that was paused in between sends nothing when it wakes. Should it be paused between its last look
//     at the deadline and the write to the socket, GitLab's check that scopes are unique is the second line: see wakesLate.
//   - From the list on which an add is decided until its outcome is recorded nobody else adds a cluster with the same
//     scope, name and API URL, which no client could tell from ours.
//   - Nobody renames our cluster in GitLab while its id is not recorded yet.
//   - A complete list may miss a row, because a deletion can move it from one page to another that was read before. But
//     two lists in a row do not miss the same, nor does the second of the settle rule one that was not there at the first.
//
// Bounded are only faults, edits and the acts of others; passes are not.

const (
	maxClusters = 6
	maxRequests = 3
	maxManagers = 2
)

var (
	modelURLs   = []string{here, there}
	modelScopes = []string{"a/*", "b/*"}
	modelNames  = []string{"ours", "renamed", "theirs"}
	modelAPIs   = []string{"https://k8s.example.com", "https://new.example.com"}
)

// triple is what an add or edit sends, as indexes of the tables above.
type triple struct{ scope, name, api uint8 }

type modelSpec struct {
	triple
	url, clusterID   uint8
	orphan, matching bool
}

type modelIntent struct {
	triple
	attempt, url, highest uint8
}

// modelObject is a version of the object in the API server.
type modelObject struct {
	version             uint8
	gone                bool
	deleting, finalizer bool
	spec                modelSpec
	intent              modelIntent // attempt 0: none
	// Recorded: id at url, and which cluster that was, counted from 1.
	id, url, born, refused uint8
	token                  bool
}

// Whose a cluster is.
const (
	foreign = iota
	addedByUs
	adoptedByUs
)

// modelCluster is a row of GitLab's; those of both GitLabs are in one table, in the order of their making.
type modelCluster struct {
	triple
	url, id uint8 // id 0: not made yet
	live    bool
	whose   uint8
}

// States of an add on its way.
const (
	noRequest = iota
	undecided
	committed
	duplicate
	forbidden
)

// modelRequest is an add that was sent. Waiter is the manager that waits for its answer, counted from 1.
type modelRequest struct {
	triple
	state, attempt, url, cluster, waiter uint8
}

// Where a manager is in its pass: what it does next.
const (
	idle = iota
	claiming
	sending
	awaiting
	editing
	deleting
	recording
	claimingLate // only of a broken rule
	releasing
)

// modelManager is a manager process.
type modelManager struct {
	// cache is what its watch has shown it, pass the copy that its pass works on.
	cache, pass                  modelObject
	phase, verb, cluster, answer uint8
	again                        bool
	// What it knows of an open intent.
	attempt               uint8
	aged, absent, settled bool
	// mirror is what it last saw of the GitLab at mirrorURL, counted from 1; kept only where the config has stale mirrors.
	mirrorURL uint8
	mirror    [maxClusters]modelRow
	highest   uint8
	mustList  bool
}

// modelRow is a cluster as a list showed it.
type modelRow struct {
	triple
	there bool
}

// budget is how much may still go wrong.
type budget struct{ crashes, losses, refusals, edits, deletes, vanish, hidden, strangers uint8 }

// modelState is comparable; equal states are one.
type modelState struct {
	object   modelObject
	clusters [maxClusters]modelCluster
	requests [maxRequests]modelRequest
	managers [maxManagers]modelManager
	left     budget
	// definite is the last attempt that was refused for certain, whatever the object says.
	definite uint8
	released bool // with Orphan
	broken   string
}

// verbs numbers the verbs that a pass goes on with.
var verbs = []verb{"", verbAdd, verbEdit, verbDelete, verbAdopt, verbTake, verbNothing}

func verbNumber(v verb) uint8 {
	for i := range verbs {
		if verbs[i] == v {
			return uint8(i)
		}
	}
	panic("no number for " + v)
}

// want is what the product's code sees of the spec.
func (o modelObject) want() want {
	w := want{
		Attributes: gitlab.Attributes{EnvironmentScope: modelScopes[o.spec.scope], Name: modelNames[o.spec.name],
			APIURL: modelAPIs[o.spec.api], AuthorizationType: "rbac"},
		Generation: 1, TokenVersion: "token", GitLabURL: modelURLs[o.spec.url], ClusterID: int64(o.spec.clusterID),
		Adoption: v1alpha1.AdoptionNever, Deletion: v1alpha1.DeletionDelete, Drift: v1alpha1.DriftCorrect, Deleting: o.deleting,
	}
	if o.spec.orphan {
		w.Deletion = v1alpha1.DeletionOrphan
	}
	if o.spec.matching {
		w.Adoption = v1alpha1.AdoptionMatching
	}
	return w
}

// recorded is what the product's code sees of the metadata and the status.
func (o modelObject) recorded() recorded {
	status := o.status()
	rec := recorded{ID: status.ClusterID, CreatedAt: status.ClusterCreatedAt, GitLabURL: status.GitLabURL,
		TokenVersion: status.TokenSecretVersion, Refused: status.RefusedAttempt, Finalizer: o.finalizer}
	if in := o.intent; in.attempt != 0 {
		rec.Intent = &intent{Attempt: int64(in.attempt), GitLabURL: modelURLs[in.url], Scope: modelScopes[in.scope],
			Name: modelNames[in.name], APIURL: modelAPIs[in.api], TokenSecretVersion: "token", HighestID: int64(in.highest)}
	}
	return rec
}

func bornAt(number uint8) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("2020-01-01T00:00:%02dZ", number)
}

func (o modelObject) status() v1alpha1.GitLabInstanceClusterStatus {
	status := v1alpha1.GitLabInstanceClusterStatus{ClusterID: int64(o.id), RefusedAttempt: int64(o.refused)}
	if o.id != 0 {
		status.ClusterCreatedAt, status.GitLabURL = bornAt(o.born), modelURLs[o.url]
	}
	if o.token {
		status.TokenSecretVersion = "token"
	}
	return status
}

// withStatus is the object after the record of a report.
func (o modelObject) withStatus(record func(*v1alpha1.GitLabInstanceClusterStatus)) modelObject {
	status := o.status()
	if record != nil {
		record(&status)
	}
	o.id, o.refused, o.token = uint8(status.ClusterID), uint8(status.RefusedAttempt), status.TokenSecretVersion != ""
	o.born, o.url = 0, 0
	if o.id != 0 {
		o.url = index(modelURLs, status.GitLabURL)
		for number := uint8(1); number <= maxClusters; number++ {
			if bornAt(number) == status.ClusterCreatedAt {
				o.born = number
			}
		}
	}
	return o
}

func (o modelObject) withIntent(in intent) modelObject {
	o.intent = modelIntent{attempt: uint8(in.Attempt), url: index(modelURLs, in.GitLabURL), highest: uint8(in.HighestID),
		triple: triple{index(modelScopes, in.Scope), index(modelNames, in.Name), index(modelAPIs, in.APIURL)}}
	return o
}

func index(table []string, value string) uint8 {
	for i := range table {
		if table[i] == value {
			return uint8(i)
		}
	}
	panic("not in the model: " + value)
}

// asSeen is cluster number i (from 0), with the values of row.
func (s *modelState) asSeen(i int, row triple) gitlab.Cluster {
	return gitlab.Cluster{ID: int64(s.clusters[i].id), CreatedAt: bornAt(uint8(i + 1)), ProviderType: providerUser,
		EnvironmentScope: modelScopes[row.scope], Name: modelNames[row.name], APIURL: modelAPIs[row.api],
		AuthorizationType: "rbac"}
}

// find is the number from 0 of the cluster with that id, -1 if none is live.
func (s *modelState) find(url, id uint8) int {
	for i, c := range s.clusters {
		if c.live && c.url == url && c.id == id {
			return i
		}
	}
	return -1
}

func (s *modelState) held(url, scope uint8) bool {
	for _, c := range s.clusters {
		if c.live && c.url == url && c.scope == scope {
			return true
		}
	}
	return false
}

// commit adds a row; false if the model has no room.
func (s *modelState) commit(url uint8, t triple, whose uint8) (number uint8, ok bool) {
	id := uint8(1)
	for i := range s.clusters {
		c := &s.clusters[i]
		if c.id == 0 {
			*c = modelCluster{triple: t, url: url, id: id, live: true, whose: whose}
			return uint8(i + 1), true
		}
		if c.url == url {
			id = c.id + 1
		}
	}
	return 0, false
}

// list is what a list of all clusters at url shows now, but for row hidden (from 0; -1 for none).
func (s *modelState) list(url uint8, hidden int) (rows [maxClusters]modelRow, highest uint8) {
	for i, c := range s.clusters {
		if c.live && c.url == url && i != hidden {
			rows[i] = modelRow{c.triple, true}
			highest = max(highest, c.id)
		}
	}
	return rows, highest
}

// write stores a version of the object, which manager m has then seen.
func (s *modelState) write(m *modelManager, o modelObject) {
	o.version = s.object.version + 1
	if o.deleting && !o.finalizer {
		o.gone = true
	}
	s.object, m.cache, m.pass = o, o, o
}

// The settle rule's clock: before and after the settle time.
var (
	modelNow    = time.Unix(1_000_000, 0)
	modelSettle = time.Hour
)

// knowledge is what the product's settle rule works on.
func (m *modelManager) knowledge() intentMemory {
	known := intentMemory{attempt: int64(m.attempt), since: modelNow, settled: m.settled}
	if m.aged {
		known.since = modelNow.Add(-modelSettle)
	}
	if m.absent {
		known.absentAt = modelNow.Add(-time.Minute)
	}
	return known
}

func (m *modelManager) restart() {
	*m = modelManager{cache: m.cache}
}

// violated says which promise the state breaks, "" for none.
func (s *modelState) violated() string {
	ours := 0
	for _, c := range s.clusters {
		if c.live && c.whose != foreign {
			ours++
		}
	}
	switch {
	case s.broken != "":
		return s.broken
	case ours > 1:
		return "S1: two live clusters for one object"
	case ours > 0 && s.object.gone && !s.released:
		return "S3: the object is gone and its cluster is not"
	}
	return ""
}
