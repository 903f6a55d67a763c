// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// mirror is what GitLab holds as far as its last complete list and our own requests since tell. It has no lock and
// sends nothing.
//
// Beginnings and ends of requests are numbered, so that of two answers the one that may be older is known: what a
// request that ended after another began has told is never overwritten by that other.
type mirror struct {
	clusters map[int64]gitlab.Cluster
	scopes   map[string][]int64
	highest  int64
	begunAt  time.Time // of the last complete list; zero before the first

	sequence uint64
	marks    map[int64]mark
}

// mark says when a request of our own told about a cluster. It is kept until a list that began later has answered.
type mark struct {
	ended uint64
	gone  bool // the cluster is deleted, which is final: GitLab never gives an id twice
}

func newMirror() mirror {
	return mirror{clusters: map[int64]gitlab.Cluster{}, scopes: map[string][]int64{}, marks: map[int64]mark{}}
}

// begin numbers the beginning of a request.
func (m *mirror) begin() uint64 {
	m.sequence++
	return m.sequence
}

// wrote takes the answer to an add or edit that began at begun.
func (m *mirror) wrote(c gitlab.Cluster, begun uint64) {
	if mark := m.marks[c.ID]; mark.gone && mark.ended > begun {
		return
	}
	m.put(c)
}

// saw takes the answer to a get that began at begun.
func (m *mirror) saw(c gitlab.Cluster, begun uint64) {
	if m.marks[c.ID].ended > begun {
		return
	}
	m.put(c)
}

func (m *mirror) put(c gitlab.Cluster) {
	if before, known := m.clusters[c.ID]; !known || before.EnvironmentScope != c.EnvironmentScope {
		if known {
			m.unindex(before)
		}
		m.scopes[c.EnvironmentScope] = append(m.scopes[c.EnvironmentScope], c.ID)
	}
	m.clusters[c.ID] = c
	m.highest = max(m.highest, c.ID)
	m.marks[c.ID] = mark{ended: m.begin()}
}

// deleted takes the proof that the cluster is gone.
func (m *mirror) deleted(id int64) {
	if c, known := m.clusters[id]; known {
		m.unindex(c)
		delete(m.clusters, id)
	}
	m.marks[id] = mark{ended: m.begin(), gone: true}
}

func (m *mirror) unindex(c gitlab.Cluster) {
	rest := slices.DeleteFunc(m.scopes[c.EnvironmentScope], func(id int64) bool { return id == c.ID })
	if len(rest) == 0 {
		delete(m.scopes, c.EnvironmentScope)
		return
	}
	m.scopes[c.EnvironmentScope] = rest
}

// replace takes a complete list that began at begun, and answers the clusters that are not as the mirror had them, and
// the scopes that these hold or held. The first list tells of no change: there was nothing to compare it with.
func (m *mirror) replace(rows []gitlab.Cluster, begun uint64, begunAt time.Time) (ids []int64, scopes []string) {
	next := make(map[int64]gitlab.Cluster, len(rows))
	for _, c := range rows {
		next[c.ID] = c
		m.highest = max(m.highest, c.ID)
	}
	for id, mark := range m.marks {
		if mark.ended < begun {
			delete(m.marks, id)
			continue
		}
		if c, known := m.clusters[id]; known {
			next[id] = c
		} else {
			delete(next, id)
		}
	}
	if !m.begunAt.IsZero() {
		ids, scopes = differing(m.clusters, next)
	}
	m.clusters, m.begunAt = next, begunAt
	m.scopes = make(map[string][]int64, len(next))
	for id, c := range next {
		m.scopes[c.EnvironmentScope] = append(m.scopes[c.EnvironmentScope], id)
	}
	return ids, scopes
}

// holders are the clusters with exactly this scope, by id.
func (m *mirror) holders(scope string) []gitlab.Cluster {
	var held []gitlab.Cluster
	for _, id := range m.scopes[scope] {
		held = append(held, m.clusters[id])
	}
	slices.SortFunc(held, func(a, b gitlab.Cluster) int { return int(a.ID - b.ID) })
	return held
}

// differing lists the clusters that are not the same in both, and their scopes in either.
func differing(before, after map[int64]gitlab.Cluster) (ids []int64, scopes []string) {
	for id, was := range before {
		is, there := after[id]
		switch {
		case !there:
			ids, scopes = append(ids, id), append(scopes, was.EnvironmentScope)
		case !same(was, is):
			ids, scopes = append(ids, id), append(scopes, was.EnvironmentScope, is.EnvironmentScope)
		}
	}
	for id, is := range after {
		if _, there := before[id]; !there {
			ids, scopes = append(ids, id), append(scopes, is.EnvironmentScope)
		}
	}
	slices.Sort(ids)
	slices.Sort(scopes)
	return ids, slices.Compact(scopes)
}

func same(a, b gitlab.Cluster) bool {
	if !sameFlag(a.Enabled, b.Enabled) || !sameFlag(a.Managed, b.Managed) ||
		!sameFlag(a.NamespacePerEnvironment, b.NamespacePerEnvironment) ||
		a.CreatedAt != b.CreatedAt && !gitlab.SameInstant(a.CreatedAt, b.CreatedAt) {
		return false
	}
	a.Enabled, a.Managed, a.NamespacePerEnvironment, a.CreatedAt = b.Enabled, b.Managed, b.NamespacePerEnvironment, b.CreatedAt
	return a == b
}

func sameFlag(a, b *bool) bool {
	return a == b || a != nil && b != nil && *a == *b
}
