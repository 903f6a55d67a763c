// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func TestEventsOfOurWritesAreNoNews(t *testing.T) {
	known := func() *memory {
		m := newMemory()
		m.of(types.NamespacedName{Name: "production"}, "uid")
		return m
	}
	t.Run("also when they come after the next write", func(t *testing.T) {
		m := known()
		m.wrote("uid", "5")
		m.wrote("uid", "6")
		for version, knows := range map[string]bool{"5": true, "6": true, "7": false} {
			if m.knows("uid", version) != knows {
				t.Errorf("version %s is known: %v", version, !knows)
			}
		}
		if !m.behind("uid", "5") || m.behind("uid", "6") {
			t.Error("only a copy older than the last write is behind it")
		}
	})
	for seen, later := range map[string]bool{"5": false, "6": false, "10": true} {
		t.Run("nor when they come before the answer, seen "+seen, func(t *testing.T) {
			m := known()
			m.wrote("uid", "5")
			m.writes("uid")
			if !m.knows("uid", seen) {
				t.Error("the pass that writes still tells")
			}
			if m.wrote("uid", "6") != later {
				t.Errorf("seen later: %v", !later)
			}
			if m.knows("uid", "11") {
				t.Error("nothing is on its way any more")
			}
		})
	}
	t.Run("and a failed write explains nothing", func(t *testing.T) {
		m := known()
		m.writes("uid")
		m.wroteNot("uid")
		if m.knows("uid", "6") {
			t.Error("the version is somebody else's")
		}
	})
}

func TestClusterOfAnObjectThatWentIsFreeAtOnce(t *testing.T) {
	m, key := newMemory(), clusterKey{here, 5}
	m.of(types.NamespacedName{Name: "first"}, "first")
	m.of(types.NamespacedName{Name: "second"}, "second")
	m.owns("first", key)
	if m.disown("second"); m.owns("second", key) {
		t.Error("taken from the object that has it")
	}
	m.disown("first")
	if owner := m.owner(key); owner != "" {
		t.Errorf("still %q's", owner)
	}
	if !m.owns("second", key) || m.owner(key) != "second" {
		t.Error("not free for another object")
	}
}
