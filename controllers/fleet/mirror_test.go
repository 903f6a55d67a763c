// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"reflect"
	"testing"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

var began = time.Unix(1, 0)

func cluster(id int64, scope, name string) gitlab.Cluster {
	return gitlab.Cluster{ID: id, EnvironmentScope: scope, Name: name, CreatedAt: "2024-01-01T00:00:00Z"}
}

func rows(clusters ...gitlab.Cluster) []gitlab.Cluster { return clusters }

func ptr[T any](v T) *T { return &v }

// Two requests about one cluster overlap: whose answer is kept?
func TestOverlappingAnswers(t *testing.T) {
	old, written := cluster(1, "a", "old"), cluster(1, "b", "written")
	for name, test := range map[string]struct {
		happen func(m *mirror)
		want   []gitlab.Cluster
	}{
		"an edit answered during a list is kept": {func(m *mirror) {
			list, edit := m.begin(), m.begin()
			m.wrote(written, edit)
			m.replace(rows(old), list, began)
		}, rows(written)},
		"an edit answered after a list that overlapped it is kept": {func(m *mirror) {
			edit, list := m.begin(), m.begin()
			m.replace(rows(old), list, began)
			m.wrote(written, edit)
		}, rows(written)},
		"a list begun after the edit's answer is kept": {func(m *mirror) {
			m.wrote(written, m.begin())
			m.replace(rows(old), m.begin(), began)
		}, rows(old)},
		"a deletion answered during a list is kept": {func(m *mirror) {
			list, _ := m.begin(), m.begin()
			m.deleted(1)
			m.replace(rows(old), list, began)
		}, nil},
		"a deletion outlives a second list that began before its end": {func(m *mirror) {
			first, second := m.begin(), m.begin()
			m.deleted(1)
			m.replace(rows(old), first, began)
			m.replace(rows(old), second, began)
		}, nil},
		"a list begun after the deletion is kept": {func(m *mirror) {
			m.deleted(1)
			m.replace(rows(old), m.begin(), began)
		}, rows(old)},
		"an edit that overlapped the deletion does not bring the cluster back": {func(m *mirror) {
			edit := m.begin()
			m.deleted(1)
			m.wrote(written, edit)
		}, nil},
		"a get that overlapped the deletion does not bring the cluster back": {func(m *mirror) {
			get := m.begin()
			m.deleted(1)
			m.saw(old, get)
		}, nil},
		"a get that began after the deletion does": {func(m *mirror) {
			m.deleted(1)
			m.saw(old, m.begin())
		}, rows(old)},
		"a get that overlapped an edit does not undo it": {func(m *mirror) {
			get := m.begin()
			m.wrote(written, m.begin())
			m.saw(old, get)
		}, rows(written)},
		"a get answered during a list is kept": {func(m *mirror) {
			list := m.begin()
			m.saw(written, m.begin())
			m.replace(rows(), list, began)
		}, rows(written)},
		"an add answered during a list is kept": {func(m *mirror) {
			list := m.begin()
			m.wrote(written, m.begin())
			m.replace(rows(), list, began)
		}, rows(written)},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror()
			m.replace(rows(old), m.begin(), began)
			test.happen(&m)
			var have []gitlab.Cluster
			for _, c := range m.clusters {
				have = append(have, c)
			}
			if !reflect.DeepEqual(have, test.want) {
				t.Errorf("the mirror has %v, not %v", have, test.want)
			}
			for _, scope := range []string{"a", "b"} {
				var holders []gitlab.Cluster
				for _, c := range test.want {
					if c.EnvironmentScope == scope {
						holders = append(holders, c)
					}
				}
				if !reflect.DeepEqual(m.holders(scope), holders) {
					t.Errorf("scope %s is held by %v, not %v", scope, m.holders(scope), holders)
				}
			}
			if m.highest != 1 {
				t.Errorf("the highest id is %d", m.highest)
			}
		})
	}
}

func TestListTellsChanges(t *testing.T) {
	a, b, c := cluster(1, "a", "one"), cluster(2, "b", "two"), cluster(3, "c", "three")
	flagged := func(c gitlab.Cluster, enabled *bool) gitlab.Cluster {
		c.Enabled = enabled
		return c
	}
	for name, test := range map[string]struct {
		own    func(m *mirror)
		before []gitlab.Cluster
		after  []gitlab.Cluster
		ids    []int64
		scopes []string
	}{
		"nothing":          {before: rows(a, b), after: rows(a, b)},
		"another order":    {before: rows(a, b), after: rows(b, a)},
		"an edit":          {before: rows(a, b), after: rows(cluster(1, "a", "new"), b), ids: []int64{1}, scopes: []string{"a"}},
		"another scope":    {before: rows(a, b), after: rows(cluster(1, "z", "one"), b), ids: []int64{1}, scopes: []string{"a", "z"}},
		"an addition":      {before: rows(a), after: rows(a, c), ids: []int64{3}, scopes: []string{"c"}},
		"a deletion":       {before: rows(a, b), after: rows(b), ids: []int64{1}, scopes: []string{"a"}},
		"a re-creation":    {before: rows(a), after: rows(cluster(2, "a", "one")), ids: []int64{1, 2}, scopes: []string{"a"}},
		"an equal flag":    {before: rows(flagged(a, ptr(true))), after: rows(flagged(a, ptr(true)))},
		"a flag":           {before: rows(flagged(a, ptr(true))), after: rows(flagged(a, ptr(false))), ids: []int64{1}, scopes: []string{"a"}},
		"a flag gone":      {before: rows(flagged(a, ptr(true))), after: rows(a), ids: []int64{1}, scopes: []string{"a"}},
		"another offset":   {before: rows(gitlab.Cluster{ID: 1, CreatedAt: "2024-01-01T02:00:00+02:00"}), after: rows(gitlab.Cluster{ID: 1, CreatedAt: "2024-01-01T00:00:00.000Z"})},
		"another creation": {before: rows(gitlab.Cluster{ID: 1, CreatedAt: "2024-01-01T00:00:00Z"}), after: rows(gitlab.Cluster{ID: 1, CreatedAt: "2024-01-01T00:00:01Z"}), ids: []int64{1}, scopes: []string{""}},
		"our own edit": {before: rows(a), own: func(m *mirror) { m.wrote(cluster(1, "z", "new"), m.begin()) },
			after: rows(cluster(1, "z", "new"))},
		"our own edit, undone by others": {before: rows(a), own: func(m *mirror) { m.wrote(cluster(1, "z", "new"), m.begin()) },
			after: rows(a), ids: []int64{1}, scopes: []string{"a", "z"}},
		"our own addition":              {before: rows(a), own: func(m *mirror) { m.wrote(b, m.begin()) }, after: rows(a, b)},
		"our own addition, then edited": {before: rows(a), own: func(m *mirror) { m.wrote(b, m.begin()) }, after: rows(a, cluster(2, "b", "x")), ids: []int64{2}, scopes: []string{"b"}},
		"our own deletion":              {before: rows(a, b), own: func(m *mirror) { m.deleted(1) }, after: rows(b)},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror()
			if ids, scopes := m.replace(test.before, m.begin(), began); len(ids)+len(scopes) > 0 {
				t.Errorf("the first list told of %v %v", ids, scopes)
			}
			if test.own != nil {
				test.own(&m)
			}
			ids, scopes := m.replace(test.after, m.begin(), began)
			if !reflect.DeepEqual(ids, test.ids) || !reflect.DeepEqual(scopes, test.scopes) {
				t.Errorf("told %v %q, not %v %q", ids, scopes, test.ids, test.scopes)
			}
			if ids, _ := m.replace(test.after, m.begin(), began); ids != nil {
				t.Errorf("told %v a second time", ids)
			}
		})
	}
}
