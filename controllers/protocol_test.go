// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"
)

// Set-ups: a protocol starts with one object that nobody has looked at yet, and goes every way that its budget allows.
var (
	oneManager = protocol{managers: 1, left: budget{crashes: 1, losses: 1, refusals: 1, edits: 1, deletes: 1, vanish: 1},
		edits: []edit{editScope, editName, editAPIURL, editGitLabURL, editOrphan}}
	oneUnluckyManager = protocol{managers: 1, left: budget{crashes: 2, losses: 2, edits: 1, deletes: 1, hidden: 1},
		edits: []edit{editScope}}
	oneManagerAndStrangers = protocol{managers: 1, unique: true, start: strangers,
		left: budget{crashes: 1, losses: 1, refusals: 1, edits: 2, deletes: 1, strangers: 1}, edits: []edit{editScope, editGitLabURL}}
	changeOfMind = protocol{managers: 1, left: budget{crashes: 1, losses: 1, edits: 2, deletes: 1}, edits: []edit{editOrphan},
		start: func(s *modelState) { s.object.spec.orphan = true }}
	twoManagers = protocol{managers: 2, left: budget{crashes: 1, edits: 1, deletes: 1},
		edits: []edit{editScope, editOrphan}}
	twoManagersLosing   = protocol{managers: 2, left: budget{losses: 1, deletes: 1, vanish: 1}}
	twoManagersAdopting = protocol{managers: 2, unique: true, start: strangers, left: budget{crashes: 1, edits: 2, deletes: 1},
		edits: []edit{editClusterID}}
	twoManagersMatching = protocol{managers: 2, unique: true, left: budget{edits: 1, deletes: 1, vanish: 1}, edits: []edit{editScope},
		start: func(s *modelState) {
			strangers(s)
			s.object.spec.matching = true
		}}
	twoManagersWithOldLists = protocol{managers: 2, unique: true, staleMirrors: true,
		left: budget{losses: 1, deletes: 1, vanish: 1}}
	oneWakesLate = protocol{managers: 2, unique: true, wakesLate: true, left: budget{crashes: 1, edits: 1, deletes: 1},
		edits: []edit{editScope}}
)

// strangers have, in either GitLab, a cluster that the object would match if its scope were edited.
func strangers(s *modelState) {
	for url := range modelURLs {
		s.commit(uint8(url), triple{scope: 1}, foreign)
	}
}

// exploration is what a search through all states of a protocol found.
type exploration struct {
	states, steps int
	took          time.Duration
	// gone and kept count states in which the object is gone, and has a cluster.
	gone, kept int
	violation  string
	// trace leads from the start to the violation, on a shortest way.
	trace []string
}

// node is how a state was reached first.
type node struct {
	parent  int32
	swapped bool
	content bool
	label   string
}

// explore goes through all states, breadth first.
func explore(p protocol) exploration {
	begun := time.Now()
	first := modelState{left: p.left}
	first.object.version = 1
	if p.start != nil {
		p.start(&first)
	}
	for m := range p.managers {
		first.managers[m].cache = first.object
	}
	first, _ = p.canonical(first)
	seen := map[uint64]int32{maphash.Comparable(seed, first): 0}
	nodes, queue := []node{{parent: -1}}, []modelState{first}
	var calm [][2]int32 // steps in which nothing goes wrong and nobody interferes
	var e exploration
	for i := int32(0); len(queue) > 0; i++ {
		from := queue[0]
		queue = queue[1:]
		for _, next := range (&steps{protocol: p, from: from}).all() {
			e.steps++
			s, swapped := p.canonical(next.state)
			key := maphash.Comparable(seed, s)
			number, known := seen[key]
			if !known {
				number = int32(len(nodes))
				seen[key] = number
				nodes = append(nodes, node{i, swapped, s.content(), next.label})
				queue = append(queue, s)
				e.count(s)
			}
			if next.state.left == from.left {
				calm = append(calm, [2]int32{i, number})
			}
			if e.violation = s.violated(); e.violation != "" {
				e.trace = trace(nodes, number)
				e.states, e.took = len(nodes), time.Since(begun)
				return e
			}
		}
	}
	if lost := hopeless(nodes, calm); lost >= 0 {
		e.violation, e.trace = "L1: no way from here to the spec", trace(nodes, lost)
	}
	e.states, e.took = len(nodes), time.Since(begun)
	return e
}

func (e *exploration) count(s modelState) {
	switch {
	case s.object.gone:
		e.gone++
	case s.object.id != 0:
		e.kept++
	}
}

// trace is the way to a node. Managers that changed places on it keep their names.
func trace(nodes []node, number int32) []string {
	var way []node
	for ; number > 0; number = nodes[number].parent {
		way = append(way, nodes[number])
	}
	slices.Reverse(way)
	var labels []string
	swapped := false
	for _, n := range way {
		label := n.label
		if swapped {
			if other, ok := strings.CutPrefix(label, "A "); ok {
				label = "B " + other
			} else if other, ok := strings.CutPrefix(label, "B "); ok {
				label = "A " + other
			}
		}
		labels = append(labels, label)
		swapped = swapped != n.swapped
	}
	return labels
}

// hopeless is a state from which no calm steps lead to one that is as the spec says; -1 if there is none.
func hopeless(nodes []node, calm [][2]int32) int32 {
	starts := make([]int32, len(nodes)+1) // of the edges that lead to a node, in order of the nodes
	for _, edge := range calm {
		starts[edge[1]+1]++
	}
	for i := range nodes {
		starts[i+1] += starts[i]
	}
	sources, used := make([]int32, len(calm)), slices.Clone(starts)
	for _, edge := range calm {
		sources[used[edge[1]]] = edge[0]
		used[edge[1]]++
	}
	hope := make([]bool, len(nodes))
	var queue []int32
	for i, n := range nodes {
		if n.content {
			hope[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, source := range sources[starts[at]:starts[at+1]] {
			if !hope[source] {
				hope[source] = true
				queue = append(queue, source)
			}
		}
	}
	return int32(slices.Index(hope, false))
}

func (e exploration) story() string { return "\n  " + strings.Join(e.trace, "\n  ") }

var setUps = map[string]protocol{
	"one manager": oneManager,
	"one manager, crashes, lost answers and a list that misses a row": oneUnluckyManager,
	"one manager and strangers with clusters like ours":               oneManagerAndStrangers,
	"one manager and a user who changes the deletion policy":          changeOfMind,
	"two managers":                                       twoManagers,
	"two managers and lost answers":                      twoManagersLosing,
	"two managers that adopt the cluster the spec names": twoManagersAdopting,
	"two managers that adopt a cluster like the spec":    twoManagersMatching,
	"two managers with lists of different age":           twoManagersWithOldLists,
	"two managers, one paused until its add is too late": oneWakesLate,
}

// TestExactlyOneCluster checks, in every state that a set-up can get into, that the object has at most one cluster in
// GitLab (S1), that no other cluster is edited or deleted (S2), and that the object does not go before its cluster (S3);
// and that from every state there is a way to what the spec says.
func TestExactlyOneCluster(t *testing.T) {
	for name, p := range setUps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := explore(p)
			if e.violation != "" {
				t.Fatalf("%s%s", e.violation, e.story())
			}
			if e.gone == 0 || e.kept == 0 {
				t.Errorf("%d states without the object, %d with a cluster: the model goes nowhere", e.gone, e.kept)
			}
			t.Logf("%d states, %d steps in %v", e.states, e.steps, e.took.Round(time.Millisecond))
		})
	}
}

// TestEachRuleIsNeeded breaks one rule after another: each must lead to what it is there to prevent. So it is known that
// the model sees such things at all, and that no rule is there in vain.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, test := range []struct {
		rule    rule
		setUp   protocol
		because string // what then happens
	}{
		{intentBeforeAdd, oneManager, "S1"},
		{fencedClaim, twoManagers, "S1"},
		{addOnce, twoManagersLosing, "S1"},
		{ambiguousStaysOpen, oneManager, "S3"},
		{refusalCloses, oneManagerAndStrangers, "S2"},
		{duplicateIsAmbiguous, oneWakesLate, "S3"},
		{laterIDOnly, oneManagerAndStrangers, "S2"},
		{recreationIsOpen, oneManager, "S1"},
		{askWhereSent, oneManager, "S3"},
		{settleTimePasses, oneManager, "S1"},
		{twoListsAgree, oneUnluckyManager, "S1"},
		{absenceEnds, oneManager, "L1"},
		{finalizerBeforeID, twoManagersAdopting, "S3"},
		{identityIsChecked, oneManagerAndStrangers, "S2"},
		{newerRecordStays, twoManagersLosing, "S3"},
		{editedSpecIsKept, changeOfMind, "S3"},
		{notFoundByPassAlone, oneUnluckyManager, "S3"},
		{otherURLProvesNothing, oneManager, "S3"},
	} {
		t.Run(string(test.rule), func(t *testing.T) {
			t.Parallel()
			test.setUp.broken = test.rule
			e := explore(test.setUp)
			if !strings.HasPrefix(e.violation, test.because) {
				t.Fatalf("broken, it leads to %q and not to %s after %d states", e.violation, test.because, e.states)
			}
			t.Logf("%s, after %d states:%s", e.violation, e.states, e.story())
		})
	}
}
