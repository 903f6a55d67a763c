// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// The events of a pass's two writes may both come after the second: neither is anybody else's.
func TestEachOfTheLastWritesIsOurs(t *testing.T) {
	m := newMemory()
	m.of(types.NamespacedName{Name: "production"}, "uid")
	m.wrote("uid", "5")
	m.wrote("uid", "6")
	for version, ours := range map[string]bool{"4": false, "5": true, "6": true, "7": false} {
		if m.ours("uid", version) != ours {
			t.Errorf("ours(%q) is %v", version, !ours)
		}
	}
	if !m.behind("uid", "5") || m.behind("uid", "6") {
		t.Error("only a copy older than the last write is behind it")
	}
}
