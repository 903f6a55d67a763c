// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

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
