// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"

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
