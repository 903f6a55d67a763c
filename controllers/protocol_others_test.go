// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "hash/maphash"

// edit is a change of the spec by its user.
type edit struct {
	name   string
	change func(*modelSpec)
}

var (
	editScope     = edit{"the scope", func(s *modelSpec) { s.scope = 1 - s.scope }}
	editName      = edit{"the name", func(s *modelSpec) { s.name = 1 - s.name }}
	editAPIURL    = edit{"the API URL", func(s *modelSpec) { s.api = 1 - s.api }}
	editGitLabURL = edit{"the GitLab URL", func(s *modelSpec) { s.url = 1 - s.url }}
	editOrphan    = edit{"the deletion policy", func(s *modelSpec) { s.orphan = !s.orphan }}
	editClusterID = edit{"the cluster id", func(s *modelSpec) { s.clusterID = 1 - s.clusterID }}
)

// others are what users, GitLab's administrators and strangers do.
func (x *steps) others() {
	o := x.from.object
	for _, e := range x.edits {
		x.can("the user edits "+e.name, func(s *modelState) bool {
			if o.gone || !spend(&s.left.edits) {
				return false
			}
			spec := &s.object.spec
			e.change(spec)
			s.object.version++
			// The CRD lets spec.clusterID name nothing but the recorded id once there is one.
			return spec.clusterID == o.spec.clusterID || spec.clusterID == 0 || o.id == 0 || spec.clusterID == o.id
		})
	}
	x.can("the user deletes the object", func(s *modelState) bool {
		if o.gone || o.deleting || !spend(&s.left.deletes) {
			return false
		}
		s.object.deleting, s.object.gone = true, !o.finalizer
		s.object.version++
		s.released = s.object.gone && o.spec.orphan
		return true
	})
	for i, c := range x.from.clusters {
		x.can("somebody deletes a cluster in GitLab", func(s *modelState) bool {
			if !c.live || c.whose == foreign || !spend(&s.left.vanish) {
				return false
			}
			s.clusters[i].live = false
			return true
		})
	}
	for _, name := range []uint8{o.spec.name, index(modelNames, "theirs")} {
		x.can("a stranger adds a cluster with the scope, named "+modelNames[name], func(s *modelState) bool {
			t := triple{o.spec.scope, name, o.spec.api}
			if o.gone || s.held(o.spec.url, t.scope) || !spend(&s.left.strangers) || name == o.spec.name && (x.staleMirrors || x.outcomeUnknown()) {
				return false
			}
			_, ok := s.commit(o.spec.url, t, foreign)
			return ok
		})
	}
}

// outcomeUnknown: an add is under way, or nobody knows what became of one.
func (x *steps) outcomeUnknown() bool {
	s := &x.from
	for _, r := range s.requests {
		if r.state != noRequest {
			return true
		}
	}
	for _, m := range s.managers {
		if m.phase != idle {
			return true
		}
	}
	in := s.object.intent
	return in.attempt != 0 && in.attempt != s.definite && (s.object.id == 0 || s.object.id <= in.highest)
}

var seed = maphash.MakeSeed()

// canonical makes states equal that differ in nothing that matters from here on. Swapped tells that the managers, which
// are alike, changed places.
func (x *protocol) canonical(s modelState) (_ modelState, swapped bool) {
	// Of the versions of the object it matters only which copies are the stored one.
	current := s.object.version
	mark := func(o *modelObject) {
		if o.version == current {
			o.version = 2
		} else {
			o.version = 1
		}
	}
	mark(&s.object)
	for i := range s.managers {
		m := &s.managers[i]
		mark(&m.cache)
		if m.phase != idle {
			mark(&m.pass)
		}
		if !x.staleMirrors {
			m.mirrorURL, m.mirror, m.highest, m.mustList = 0, [maxClusters]modelRow{}, 0, false
		}
		if m.attempt < m.cache.intent.attempt { // numbers only grow: it is never asked about again
			m.attempt, m.aged, m.absent, m.settled = 0, false, false, false
		}
	}
	for i := x.managers; i < maxManagers; i++ {
		s.managers[i] = modelManager{}
	}
	r := &s.requests
	if x.managers == 2 && maphash.Comparable(seed, s.managers[1]) < maphash.Comparable(seed, s.managers[0]) {
		s.managers[0], s.managers[1] = s.managers[1], s.managers[0]
		for i := range r {
			if r[i].waiter != 0 {
				r[i].waiter = 3 - r[i].waiter
			}
		}
		swapped = true
	}
	for i := range r { // their slots have no order
		for j := i + 1; j < len(r); j++ {
			if r[i].before(r[j]) {
				r[i], r[j] = r[j], r[i]
			}
		}
	}
	return s, swapped
}

func (r modelRequest) before(other modelRequest) bool {
	a := [...]uint8{r.state, r.attempt, r.waiter, r.url, r.cluster, r.scope, r.name, r.api}
	b := [...]uint8{other.state, other.attempt, other.waiter, other.url, other.cluster, other.scope, other.name, other.api}
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// content tells that the object and GitLab are as they shall be, or that what hinders it is somebody else's to move.
func (s *modelState) content() bool {
	o := s.object
	if o.gone || o.id != 0 && o.url != o.spec.url { // another GitLab: IdentityMismatch
		return true
	}
	if o.deleting {
		return false
	}
	if o.id == 0 && o.spec.clusterID != 0 && s.find(o.spec.url, o.spec.clusterID) < 0 { // ClusterNotFound
		return true
	}
	ours := -1
	if o.id != 0 {
		ours = s.find(o.url, o.id)
	}
	for i, c := range s.clusters {
		if c.live && c.whose == foreign && c.url == o.spec.url && c.scope == o.spec.scope && i != ours { // ScopeConflict
			return true
		}
	}
	return ours >= 0 && s.clusters[ours].triple == o.spec.triple && o.token
}
