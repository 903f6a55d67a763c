// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"fmt"
	"slices"
	"time"
)

// store keeps clusters so that a page of many is cheap: ids in order, scopes indexed, answers encoded once.
type store struct {
	last   int64
	ids    []int64
	rows   map[int64]*row
	scopes map[string][]int64
}

// row is a cluster and its JSON, nil until asked for.
type row struct {
	Cluster
	encoded []byte
}

func newStore() *store {
	return &store{rows: map[int64]*row{}, scopes: map[string][]int64{}}
}

// insert gives an id from the sequence unless the cluster brings one, and stores it.
func (s *store) insert(c Cluster) int64 {
	if c.ID == 0 {
		c.ID = s.last + 1
	}
	s.last = max(s.last, c.ID)
	if _, exists := s.rows[c.ID]; exists {
		s.replace(c)
		return c.ID
	}
	at, _ := slices.BinarySearch(s.ids, c.ID)
	s.ids = slices.Insert(s.ids, at, c.ID)
	s.rows[c.ID] = &row{Cluster: c}
	s.scopes[c.EnvironmentScope] = append(s.scopes[c.EnvironmentScope], c.ID)
	return c.ID
}

// replace stores a new state of a cluster that exists.
func (s *store) replace(c Cluster) {
	old := s.rows[c.ID]
	if old.EnvironmentScope != c.EnvironmentScope {
		s.unscope(old.EnvironmentScope, c.ID)
		s.scopes[c.EnvironmentScope] = append(s.scopes[c.EnvironmentScope], c.ID)
	}
	s.rows[c.ID] = &row{Cluster: c}
}

func (s *store) remove(id int64) bool {
	old, ok := s.rows[id]
	if !ok {
		return false
	}
	s.unscope(old.EnvironmentScope, id)
	delete(s.rows, id)
	if at, found := slices.BinarySearch(s.ids, id); found {
		s.ids = slices.Delete(s.ids, at, at+1)
	}
	return true
}

func (s *store) unscope(scope string, id int64) {
	left := slices.DeleteFunc(s.scopes[scope], func(other int64) bool { return other == id })
	if len(left) == 0 {
		delete(s.scopes, scope)
		return
	}
	s.scopes[scope] = left
}

// scopeTaken tells whether another cluster than id has exactly this scope.
func (s *store) scopeTaken(scope string, id int64) bool {
	return slices.ContainsFunc(s.scopes[scope], func(other int64) bool { return other != id })
}

// managedElsewhere tells whether a project manages another cluster than id with this scope.
func (s *store) managedElsewhere(project int64, scope string, id int64) bool {
	return slices.ContainsFunc(s.scopes[scope], func(other int64) bool {
		p := s.rows[other].ManagementProjectID
		return other != id && p != nil && *p == project
	})
}

func (p *Project) complete(now time.Time) {
	if p.Name == "" {
		p.Name = fmt.Sprintf("project%d", p.ID)
	}
	if p.Path == "" {
		p.Path = p.Name
	}
	if p.PathWithNamespace == "" {
		p.PathWithNamespace = "root/" + p.Path
	}
	if p.NameWithNamespace == "" {
		p.NameWithNamespace = "Administrator / " + p.Name
	}
	if p.CreatedAt.IsZero() {
		p.CreatedAt = now
	}
}
