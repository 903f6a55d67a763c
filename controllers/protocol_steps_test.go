// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// rule is one of those that keep it at exactly one cluster. A protocol can be run with one of them broken.
type rule string

const (
	intentBeforeAdd       rule = "an add is preceded by an intent"
	fencedClaim           rule = "the intent is fenced by the resourceVersion"
	addOnce               rule = "an add is sent once"
	ambiguousStaysOpen    rule = "a lost answer leaves the intent open"
	refusalCloses         rule = "a definite refusal closes the intent"
	duplicateIsAmbiguous  rule = "a duplicate scope after an open attempt is no refusal"
	laterIDOnly           rule = "ours has a later id than the intent's highest"
	recreationIsOpen      rule = "an add after an outside deletion is open until a later id is recorded"
	askWhereSent          rule = "an open intent is asked about at its own URL"
	settleTimePasses      rule = "absence counts only after the settle time"
	twoListsAgree         rule = "absence takes two lists"
	absenceEnds           rule = "absence that lasts ends the wait"
	finalizerBeforeID     rule = "the finalizer is there before an adopted id"
	identityIsChecked     rule = "an id without its created_at is not ours"
	newerRecordStays      rule = "what another manager recorded since is not overwritten"
	editedSpecIsKept      rule = "a release is decided anew after an edit of the spec"
	notFoundByPassAlone   rule = "a cluster missing in the mirror is asked for by its id"
	otherURLProvesNothing rule = "absence at another URL proves nothing"
)

// protocol is a set-up to explore.
type protocol struct {
	managers     int
	left         budget
	edits        []edit
	start        func(*modelState)
	unique       bool // GitLab checks that scopes are unique
	staleMirrors bool
	// wakesLate: a manager may be paused right before it writes an add to the socket, and write it when the settle time
	// is over. Meanwhile nobody else acts.
	wakesLate bool
	broken    rule
}

// successor is a state and what led to it.
type successor struct {
	label string
	state modelState
}

// steps are all that can happen next.
type steps struct {
	protocol
	from modelState
	next []successor
}

// can adds what happens to the successors. The change answers false if it cannot happen.
func (x *steps) can(label string, change func(*modelState) bool) {
	s := x.from
	if change(&s) {
		x.next = append(x.next, successor{label, s})
	}
}

func names(m int, did string) string { return string(rune('A'+m)) + " " + did }

// by is can for manager m.
func (x *steps) by(m int, did string, change func(*modelState, *modelManager) bool) {
	x.can(names(m, did), func(s *modelState) bool { return change(s, &s.managers[m]) })
}

// spend takes one from a part of the budget; false if nothing is left.
func spend(left *uint8) bool {
	if *left == 0 {
		return false
	}
	*left--
	return true
}

func (m *modelManager) stop() {
	m.phase, m.verb, m.cluster, m.answer, m.again, m.pass = idle, 0, 0, 0, false, modelObject{}
}

func (x *steps) all() []successor {
	if x.from.released {
		return nil
	}
	for m := range x.managers {
		x.manager(m)
	}
	x.gitLab()
	if !x.wakesLate || !x.sendsLate() {
		x.others()
	}
	return x.next
}

// sendsLate tells that a manager has yet to send an add, or GitLab to decide on one.
func (x *steps) sendsLate() bool {
	for _, m := range x.from.managers {
		if m.phase == sending {
			return true
		}
	}
	for _, r := range x.from.requests {
		if r.state == undecided {
			return true
		}
	}
	return false
}

func (x *steps) manager(m int) {
	x.by(m, "is shown the object as it is", func(s *modelState, m *modelManager) bool {
		changed := m.cache != s.object
		m.cache = s.object
		return changed
	})
	x.by(m, "is killed and started again", func(s *modelState, m *modelManager) bool {
		if m.phase == idle && m.attempt == 0 && m.mirrorURL == 0 || !spend(&s.left.crashes) {
			return false
		}
		x.unwait(s, m)
		m.restart()
		return true
	})
	x.by(m, "knows the intent for the settle time", func(s *modelState, m *modelManager) bool {
		if m.attempt == 0 || m.aged || x.mayYetCommit(s, m.attempt) {
			return false
		}
		m.aged = true
		return true
	})
	switch x.from.managers[m].phase {
	case idle:
		x.look(m)
	case claiming:
		x.by(m, "claims", x.claim)
	case sending:
		x.send(m)
	case awaiting:
		x.await(m)
	case editing:
		x.edit(m)
	case deleting:
		x.delete(m)
	case recording:
		x.by(m, "records", x.record)
		x.by(m, "cannot record", func(s *modelState, m *modelManager) bool {
			ok := spend(&s.left.losses)
			m.stop()
			return ok
		})
	case claimingLate:
		x.by(m, "writes the finalizer", func(s *modelState, m *modelManager) bool {
			if o := m.pass; o.version == s.object.version && !s.object.gone {
				o.finalizer = true
				s.write(m, o)
			}
			m.stop()
			return true
		})
	case releasing:
		x.by(m, "drops the finalizer", x.release)
	}
}

// mayYetCommit: GitLab may still commit an add of that attempt, or a manager may still send it before its deadline.
func (x *steps) mayYetCommit(s *modelState, attempt uint8) bool {
	for _, r := range s.requests {
		if r.state == undecided && r.attempt == attempt {
			return true
		}
	}
	for m := range x.managers {
		if s.managers[m].phase == sending && s.managers[m].pass.intent.attempt == attempt && !x.wakesLate {
			return true
		}
	}
	return false
}

// unwait leaves m's add to GitLab: nobody will see its answer.
func (x *steps) unwait(s *modelState, m *modelManager) {
	for i := range s.requests {
		r := &s.requests[i]
		if r.state != noRequest && r.waiter != 0 && &s.managers[r.waiter-1] == m {
			r.waiter = 0
			if r.state != undecided {
				*r = modelRequest{}
			}
		}
	}
}

// look begins a pass on the cached object: it reads GitLab's view and decides.
func (x *steps) look(m int) {
	from := x.from.managers[m]
	o := from.cache
	if o.gone {
		return
	}
	w, rec := o.want(), o.recorded()
	if d, ok := decideAlone(situation{Want: w, Recorded: rec}); ok {
		x.goOn(m, "looks", d, w, rec, observed{}, from)
		return
	}
	if rec.open() && from.attempt != o.intent.attempt {
		from.attempt, from.aged, from.absent, from.settled = o.intent.attempt, false, false, false
	}
	if x.broken == settleTimePasses {
		from.aged = from.attempt != 0
	}
	if x.broken == twoListsAgree {
		from.absent = from.attempt != 0
	}
	asked := index(modelURLs, rec.asked(w, from.settled))
	if x.broken == askWhereSent && rec.open() {
		asked = o.spec.url
		rec.Intent.GitLabURL = w.GitLabURL
	}
	if x.staleMirrors && from.mirrorURL == asked+1 && !rec.open() && !from.mustList {
		x.observe(m, "looks at the mirror", asked, w, rec, from, nil)
	}
	rows, highest := x.from.list(asked, -1)
	listed := from
	listed.see(asked, rows, highest)
	x.observe(m, "lists", asked, w, rec, listed, nil)
	if x.from.left.hidden == 0 || x.from.managers[m].absent {
		return
	}
	for i, row := range rows {
		if row.there {
			rows, highest := x.from.list(asked, i)
			listed := from
			listed.see(asked, rows, highest)
			x.observe(m, "gets a list that misses a row", asked, w, rec, listed, func(s *modelState) { s.left.hidden-- })
		}
	}
}

func (m *modelManager) see(url uint8, rows [maxClusters]modelRow, highest uint8) {
	if m.mirrorURL != url+1 {
		m.highest = 0
	}
	m.mirrorURL, m.mirror, m.highest, m.mustList = url+1, rows, max(m.highest, highest), false
}

// observe builds what the product's code would observe from the mirror of from, and decides on it.
func (x *steps) observe(m int, did string, url uint8, w want, rec recorded, from modelManager, cost func(*modelState)) {
	o := observed{URL: modelURLs[url], HighestID: max(int64(from.highest), rec.ID), Owners: map[int64]owner{}}
	for i, row := range from.mirror {
		if row.there && (modelScopes[row.scope] == w.EnvironmentScope || rec.open() && modelScopes[row.scope] == rec.Intent.Scope) {
			o.Holders = append(o.Holders, x.from.asSeen(i, row.triple))
		}
	}
	id := uint8(rec.ID)
	if id == 0 {
		id = uint8(w.ClusterID)
	}
	if id != 0 {
		o.Cluster = x.lookUp(url, id, &from)
	}
	decided := rec
	if rec.Intent != nil && x.broken == laterIDOnly && rec.ID == 0 {
		in := *rec.Intent
		in.HighestID = 0
		decided.Intent = &in
	}
	if x.broken == identityIsChecked && o.Cluster != nil && rec.ID != 0 {
		decided.CreatedAt = o.Cluster.CreatedAt
	}
	if x.broken == otherURLProvesNothing && rec.ID != 0 {
		decided.GitLabURL = o.URL
	}
	if rec.open() {
		known := from.knowledge()
		o.Settled = known.settles(decided, w, o, modelNow, modelSettle) && x.broken != absenceEnds
		from.absent, from.settled = !known.absentAt.IsZero(), known.settled
	}
	d := decide(situation{Want: w, Recorded: decided, Observed: o})
	before := len(x.next)
	x.goOn(m, did, d, w, rec, o, from)
	if cost != nil {
		for i := range x.next[before:] {
			cost(&x.next[before+i].state)
		}
	}
}

// lookUp is how the product proves that an id is gone: a list without it, a 404, and one more list.
func (x *steps) lookUp(url, id uint8, from *modelManager) *gitlab.Cluster {
	for i, row := range from.mirror {
		if row.there && x.from.clusters[i].id == id {
			cluster := x.from.asSeen(i, row.triple)
			return &cluster
		}
	}
	if i := x.from.find(url, id); i >= 0 && x.broken != notFoundByPassAlone {
		from.mirror[i] = modelRow{x.from.clusters[i].triple, true}
		cluster := x.from.asSeen(i, x.from.clusters[i].triple)
		return &cluster
	}
	return nil
}

// goOn takes manager m from a decision to the first step of its act.
func (x *steps) goOn(m int, did string, d decision, w want, rec recorded, o observed, from modelManager) {
	x.by(m, did+" and decides to "+string(d.Verb)+" "+d.Reason, func(s *modelState, m *modelManager) bool {
		*m = from
		m.pass = m.cache
		if d.Cluster != nil {
			for i, c := range s.clusters {
				if c.id != 0 && bornAt(uint8(i+1)) == d.Cluster.CreatedAt {
					m.cluster = uint8(i + 1)
				}
			}
		}
		switch d.Verb {
		case verbAdd:
			m.verb, m.phase, m.again = verbNumber(verbAdd), claiming, rec.open()
			in := rec.next(w, o)
			if x.broken == recreationIsOpen && rec.ID != 0 {
				in.HighestID = 0
			}
			m.pass = m.pass.withIntent(in)
		case verbEdit:
			m.verb, m.phase = verbNumber(verbEdit), editing
		case verbDelete:
			m.verb, m.phase = verbNumber(verbDelete), deleting
		case verbAdopt, verbTake:
			m.verb, m.phase = verbNumber(d.Verb), claiming
			if m.pass.finalizer || x.broken == finalizerBeforeID {
				m.phase = recording
			}
		case verbRelease:
			m.phase = releasing
		case verbNothing:
			rep := reporting(w, rec, result{Decision: d, Cluster: d.Cluster})
			if m.pass.withStatus(rep.Record) == m.pass {
				m.stop()
				break
			}
			m.verb, m.phase = verbNumber(verbNothing), recording
		default:
			m.stop()
		}
		return true
	})
}

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
	switch {
	case d.Verb != verbAdd || m.answer == committed:
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
