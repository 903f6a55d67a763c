// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// claim writes finalizer and intent, if nobody has written to the object since the pass read it.
func (x *steps) claim(s *modelState, m *modelManager) bool {
	if s.object.gone || m.pass.version != s.object.version && x.broken != fencedClaim {
		m.stop()
		return true
	}
	o := m.pass
	if o.version != s.object.version { // a patch without a fence changes what it names, and no more
		o = s.object
		o.intent = m.pass.intent
	}
	o.finalizer = true
	if verbs[m.verb] != verbAdd {
		s.write(m, o)
		m.phase = recording
		return true
	}
	in := o.intent
	if x.broken == intentBeforeAdd {
		o.intent = m.cache.intent
	}
	s.write(m, o)
	m.pass.intent = in // what is sent
	m.attempt, m.aged, m.absent, m.settled = in.attempt, false, false, false
	m.phase = sending
	return true
}

func (x *steps) send(m int) {
	x.by(m, "cannot connect", func(s *modelState, m *modelManager) bool {
		m.phase, m.answer = recording, forbidden
		return spend(&s.left.refusals)
	})
	x.by(m, "sends the add", func(s *modelState, manager *modelManager) bool {
		manager.phase = awaiting
		return x.request(s, manager, uint8(m+1))
	})
}

func (x *steps) request(s *modelState, m *modelManager, waiter uint8) bool {
	for i := range s.requests {
		if r := &s.requests[i]; r.state == noRequest {
			in := m.pass.intent
			*r = modelRequest{triple: m.pass.spec.triple, state: undecided, attempt: in.attempt, url: in.url, waiter: waiter}
			return true
		}
	}
	return false
}

// gitLab decides on the adds that have reached it, in any order and at any time, or never.
func (x *steps) gitLab() {
	for i, r := range x.from.requests {
		if r.state != undecided {
			continue
		}
		decided := func(s *modelState, state, cluster uint8) bool {
			s.requests[i].state, s.requests[i].cluster = state, cluster
			if s.requests[i].waiter == 0 {
				s.requests[i] = modelRequest{}
			}
			return true
		}
		x.can("GitLab loses an add", func(s *modelState) bool {
			s.requests[i] = modelRequest{}
			return r.waiter == 0
		})
		x.can("GitLab forbids an add", func(s *modelState) bool {
			return spend(&s.left.refusals) && decided(s, forbidden, 0)
		})
		x.can("GitLab decides on an add", func(s *modelState) bool {
			if x.unique && s.held(r.url, r.scope) {
				return decided(s, duplicate, 0)
			}
			number, ok := s.commit(r.url, r.triple, addedByUs)
			return ok && decided(s, committed, number)
		})
	}
}

func (x *steps) await(m int) {
	for i, r := range x.from.requests {
		if r.state == noRequest || int(r.waiter) != m+1 {
			continue
		}
		x.by(m, "is answered", func(s *modelState, m *modelManager) bool {
			if r.state == undecided {
				return false
			}
			s.requests[i] = modelRequest{}
			m.phase, m.answer, m.cluster, m.mustList = recording, r.state, r.cluster, r.state == duplicate
			if r.state == committed && m.mirrorURL == r.url+1 { // the answer goes into the mirror
				m.mirror[r.cluster-1] = modelRow{r.triple, true}
				m.highest = max(m.highest, s.clusters[r.cluster-1].id)
			}
			return true
		})
		x.by(m, "does not get the answer", func(s *modelState, manager *modelManager) bool {
			if !spend(&s.left.losses) {
				return false
			}
			x.unwait(s, manager)
			if x.broken == addOnce {
				return x.request(s, manager, uint8(m+1))
			}
			manager.phase, manager.answer = recording, undecided
			return true
		})
	}
}

// result is what the product's act makes of the answer.
func (x *steps) result(s *modelState, m *modelManager, d decision) result {
	if d.Verb != verbAdd || m.answer == committed {
		res := result{Decision: d, Cluster: d.Cluster, Again: m.again}
		if d.Verb == verbAdd {
			res.Attempt = int64(m.pass.intent.attempt)
		}
		return res
	}
	again, err := m.again, errors.New("no answer")
	switch m.answer {
	case duplicate:
		err = &gitlab.Error{Kind: gitlab.KindInvalid, Status: 400, Sent: true,
			Fields: map[string][]string{"environment_scope": {"cannot add duplicated environment scope"}}}
		again = again && x.broken != duplicateIsAmbiguous
	case forbidden:
		err = &gitlab.Error{Kind: gitlab.KindForbidden, Status: 403, Sent: true}
	case undecided:
		err = &gitlab.Error{Kind: gitlab.KindUnreachable, Sent: x.broken != ambiguousStaysOpen}
	}
	res := failedAdd(d, int64(m.pass.intent.attempt), again, err)
	res.Ambiguous = res.Ambiguous || x.broken == refusalCloses
	return res
}

// record writes the status, on the object as it is if it is not as the pass read it.
func (x *steps) record(s *modelState, m *modelManager) bool {
	d := decision{Verb: verbs[m.verb]}
	if m.cluster != 0 {
		cluster := s.asSeen(int(m.cluster-1), s.clusters[m.cluster-1].triple)
		d.Cluster = &cluster
	}
	w, rec := m.pass.want(), m.pass.recorded()
	rep := reporting(w, rec, x.result(s, m, d))
	o := m.pass
	if o.version != s.object.version || x.broken == intentBeforeAdd {
		o = s.object
		if o.gone || o.recorded().supersedes(rec) && x.broken != newerRecordStays && x.broken != intentBeforeAdd {
			m.stop()
			return true
		}
	}
	if d.Verb == verbAdopt {
		x.mayAdopt(s, m)
	}
	if d.Verb == verbAdd && (m.answer == forbidden || m.answer == duplicate && !m.again) {
		s.definite = m.pass.intent.attempt
	}
	if after := o.withStatus(rep.Record); after != o {
		s.write(m, after)
	}
	late := x.broken == finalizerBeforeID && d.Verb == verbAdopt && !o.finalizer
	if m.stop(); late {
		m.phase, m.pass = claimingLate, s.object
	}
	return true
}

// mayAdopt notes that the cluster is the object's from now on, which the spec must have asked for.
func (x *steps) mayAdopt(s *modelState, m *modelManager) {
	c, spec := &s.clusters[m.cluster-1], m.pass.spec
	if c.id != spec.clusterID && !(spec.matching && c.triple == spec.triple) {
		s.broken = "S2: took over a cluster that the spec did not ask for"
	}
	if c.whose == foreign {
		c.whose = adoptedByUs
	}
}

func (x *steps) edit(m int) {
	put := func(s *modelState, m *modelManager) bool {
		c := &s.clusters[m.cluster-1]
		m.phase, m.mustList = recording, false
		switch {
		case !c.live:
			m.stop()
			m.mustList = true
		case c.whose == foreign:
			s.broken = "S2: edited a cluster that is not ours"
		case c.scope != m.pass.spec.scope && s.held(c.url, m.pass.spec.scope) && x.unique:
			m.stop()
			m.mustList = true
		default:
			c.triple = m.pass.spec.triple
			m.mirror[m.cluster-1] = modelRow{c.triple, true}
		}
		return true
	}
	x.by(m, "edits", put)
	x.by(m, "edits and loses the answer", func(s *modelState, m *modelManager) bool {
		ok := put(s, m) && spend(&s.left.losses)
		m.stop()
		return ok
	})
}

func (x *steps) delete(m int) {
	remove := func(s *modelState, m *modelManager) bool {
		c := &s.clusters[m.cluster-1]
		if c.live && c.whose == foreign {
			s.broken = "S2: deleted a cluster that is not ours"
		}
		c.live = false
		m.mirror[m.cluster-1] = modelRow{}
		m.phase = releasing
		return true
	}
	x.by(m, "deletes", remove)
	x.by(m, "deletes and loses the answer", func(s *modelState, m *modelManager) bool {
		ok := remove(s, m) && spend(&s.left.losses)
		m.stop()
		return ok
	})
}

// release drops the finalizer of the object as the pass read it, or as it is if that changes nothing.
func (x *steps) release(s *modelState, m *modelManager) bool {
	o, rec := m.pass, m.pass.recorded()
	if o.version != s.object.version {
		edited := s.object.spec != o.spec || s.object.deleting != o.deleting
		o = s.object
		if o.gone || o.recorded().supersedes(rec) && x.broken != newerRecordStays || edited && x.broken != editedSpecIsKept {
			m.stop()
			return true
		}
	}
	o.finalizer = false
	s.released = o.spec.orphan
	s.write(m, o)
	m.stop()
	return true
}
