// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func TestBackoffGrowsToFiveMinutes(t *testing.T) {
	for failures, longest := range map[int]time.Duration{0: 5 * time.Minute, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second,
		8: 128 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 11: 5 * time.Minute, 1 << 40: 5 * time.Minute} {
		different := map[time.Duration]bool{}
		for range 200 {
			wait := backoff(failures)
			if wait > longest || wait < longest*4/5 {
				t.Fatalf("after %d failures it waits %v, not from %v to %v", failures, wait, longest*4/5, longest)
			}
			different[wait] = true
		}
		if len(different) < 20 {
			t.Errorf("after %d failures all wait alike", failures)
		}
	}
}

func TestMemoryOfACopy(t *testing.T) {
	m := newMemory()
	name := types.NamespacedName{Namespace: "team", Name: "production"}
	if m.behind("a", "1") {
		t.Error("behind an object that is not known")
	}
	m.wrote("a", "5") // not known: nothing to remember it for
	m.of(name, "a")
	if m.behind("a", "1") {
		t.Error("behind before the first write")
	}
	m.wrote("a", "10")
	for version, behind := range map[string]bool{"9": true, "2": true, "10": false, "11": false, "not a number": false} {
		if m.behind("a", version) != behind {
			t.Errorf("behind(%s) is %t", version, !behind)
		}
	}
	m.doubt("a")
	if !m.behind("a", "11") {
		t.Error("a copy is trusted although the fence refused a write based on one")
	}
	m.wrote("a", "12")
	if m.behind("a", "12") || !m.behind("a", "11") {
		t.Error("not what the last write says")
	}
}

func TestMemoryForgets(t *testing.T) {
	m := newMemory()
	name, key := types.NamespacedName{Namespace: "team", Name: "production"}, clusterKey{here, 5}
	first, earlier := m.of(name, "a")
	if earlier != "" {
		t.Errorf("there was no %q before", earlier)
	}
	first.failures = 3
	if again, _ := m.of(name, "a"); again != first {
		t.Error("the second pass does not know what the first did")
	}
	m.owns("a", key)
	second, earlier := m.of(name, "b")
	if earlier != "a" || second.failures != 0 {
		t.Errorf("a new object of the same name: %q went, %d failures", earlier, second.failures)
	}
	if m.owner(key) != "" {
		t.Error("the object that went still has its cluster")
	}
	if uid := m.drop(name); uid != "b" {
		t.Errorf("dropped %q", uid)
	}
	if uid := m.drop(name); uid != "" {
		t.Errorf("dropped %q twice", uid)
	}
	if len(m.objects)+len(m.names)+len(m.owners) != 0 {
		t.Errorf("something is left: %v", m)
	}
}

func TestOneClusterHasOneOwner(t *testing.T) {
	m := newMemory()
	m.of(types.NamespacedName{Name: "a"}, "a")
	m.of(types.NamespacedName{Name: "b"}, "b")
	five, six := clusterKey{here, 5}, clusterKey{here, 6}
	for _, state := range []string{"a free cluster", "its own cluster"} {
		if !m.owns("a", five) {
			t.Error("a cannot have " + state)
		}
	}
	if m.owns("b", five) || m.owner(five) != "a" {
		t.Error("b can have the cluster of a")
	}
	if !m.owns("b", clusterKey{there, 5}) {
		t.Error("b cannot have the same id at another GitLab")
	}
	if !m.owns("a", six) || m.owner(five) != "" {
		t.Error("a still has its former cluster")
	}
	if !m.owns("b", five) {
		t.Error("b cannot have what a no longer has")
	}
}
