// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// memory is what the manager knows of each object between two passes and never writes down. All of it may be lost at
// any time: that costs a request or a wait, and never a rule.
type memory struct {
	mu      sync.Mutex
	objects map[types.UID]*recollection
	names   map[types.NamespacedName]types.UID
	// owners holds the ids that objects record, from before the cache shows them.
	owners map[clusterKey]types.UID
}

// clusterKey names a cluster among those of all GitLabs.
type clusterKey struct {
	gitLabURL string
	id        int64
}

// recollection is one object's part of the memory. A pass works on it alone: one object has one pass at a time.
type recollection struct {
	name types.NamespacedName
	// written is the resourceVersion of the manager's last write to the object, or of a later live read.
	written string
	// writing: a write is on its way. early is the latest version that a watch showed meanwhile, "" for none: the event of
	// a write may come before its answer.
	writing bool
	early   string
	// doubted: the fence refused a write that was based on the cache's copy.
	doubted bool
	// failures counts the passes that failed in a row, for the backoff.
	failures int
	// seen: this process has had a pass for the object before.
	seen bool
	// generation is the object's at its last pass.
	generation int64
	// reconcileAt is the annotation's value when the object was last looked at on its behalf.
	reconcileAt string
	// lookAfter asks for a view of GitLab that began after it; zero for any that is recent.
	lookAfter time.Time
	stuck     *stuck
	intent    intentMemory
	// owned is the object's key in memory.owners.
	owned clusterKey
}

// intentMemory is what is known of the attempt of an open intent.
type intentMemory struct {
	attempt int64
	// since is when the request was sent, or when this manager first saw the intent.
	since time.Time
	// absentAt is when the first complete list without the cluster began; zero if none did.
	absentAt time.Time
	settled  bool
}

func newMemory() *memory {
	return &memory{
		objects: map[types.UID]*recollection{},
		names:   map[types.NamespacedName]types.UID{},
		owners:  map[clusterKey]types.UID{},
	}
}

// of returns what is known of the object, and forgets an earlier object of the same name.
func (m *memory) of(name types.NamespacedName, uid types.UID) (r *recollection, earlier types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.names[name]; ok && known != uid {
		earlier = known
		m.forget(known)
	}
	m.names[name] = uid
	r = m.objects[uid]
	if r == nil {
		r = &recollection{name: name}
		m.objects[uid] = r
	}
	return r, earlier
}

// drop forgets the object with that name; its UID is "" if none was known.
func (m *memory) drop(name types.NamespacedName) types.UID {
	m.mu.Lock()
	defer m.mu.Unlock()
	uid := m.names[name]
	delete(m.names, name)
	m.forget(uid)
	return uid
}

func (m *memory) forget(uid types.UID) {
	m.free(uid)
	delete(m.objects, uid)
}

// disown forgets which cluster the object records, so that another may.
func (m *memory) disown(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free(uid)
}

func (m *memory) free(uid types.UID) {
	if r := m.objects[uid]; r != nil && m.owners[r.owned] == uid {
		delete(m.owners, r.owned)
	}
}

// writes notes that a write to an object is sent.
func (m *memory) writes(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.objects[uid]; r != nil {
		r.writing = true
	}
}

// wrote remembers the version of the manager's last write to an object, or of a live read: no pass begins on an older one.
// It reports whether the object has been seen in a later version already.
func (m *memory) wrote(uid types.UID, resourceVersion string) (later bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.objects[uid]
	if r == nil {
		return false
	}
	later = r.early != "" && !notAfter(r.early, resourceVersion)
	r.written, r.doubted, r.writing, r.early = resourceVersion, false, false, ""
	return later
}

// wroteNot notes that a write failed, so that another pass has to come in any case.
func (m *memory) wroteNot(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.objects[uid]; r != nil {
		r.writing, r.early = false, ""
	}
}

// notAfter reports whether version a is known to be b, or before it.
func notAfter(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order <= 0
}

// doubt remembers that the fence refused a write to the object, whose cached copy is therefore old.
func (m *memory) doubt(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.objects[uid]; r != nil {
		r.doubted = true
	}
}

// behind reports whether a copy of the object is known to be old: the fence refused a write based on one like it, or it
// is older than the manager's last write or live read.
func (m *memory) behind(uid types.UID, resourceVersion string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.objects[uid]
	if r != nil && r.doubted {
		return true
	}
	if r == nil || r.written == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(resourceVersion, r.written)
	return err == nil && order < 0
}

// knows reports whether the manager needs no event to know of a version of the object: each of its writes is fenced, so
// that it knows all that came before it. While a write is on its way, wrote tells instead.
func (m *memory) knows(uid types.UID, resourceVersion string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.objects[uid]
	switch {
	case r == nil:
		return false
	case r.written != "" && notAfter(resourceVersion, r.written):
		return true
	case r.writing:
		if r.early == "" || notAfter(r.early, resourceVersion) {
			r.early = resourceVersion
		}
	}
	return r.writing
}

// owns remembers that the object records a cluster; false if another object was first.
func (m *memory) owns(uid types.UID, key clusterKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner, ok := m.owners[key]; ok && owner != uid {
		return false
	}
	m.owners[key] = uid
	if r := m.objects[uid]; r != nil {
		if r.owned != key && m.owners[r.owned] == uid {
			delete(m.owners, r.owned)
		}
		r.owned = key
	}
	return true
}

// owner is the object that was about to record the cluster; "" if none was.
func (m *memory) owner(key clusterKey) types.UID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owners[key]
}

// ownerNames names the object that was about to record the cluster, if one was.
func (m *memory) ownerNames(key clusterKey) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.objects[m.owners[key]]; r != nil {
		return []types.NamespacedName{r.name}
	}
	return nil
}

// Backoff of one object's own failures.
const (
	backoffFirst = time.Second
	backoffMost  = 5 * time.Minute
)

// backoff is the wait after the given number of failures in a row, with up to a fifth of jitter taken off.
func backoff(failures int) time.Duration {
	wait := backoffMost
	if shift := failures - 1; shift >= 0 && shift < 9 {
		wait = min(backoffFirst<<shift, backoffMost)
	}
	return jitter(wait, 0.2)
}

// jitter takes a random part, at most the given share, off d.
func jitter(d time.Duration, share float64) time.Duration {
	return d - time.Duration(rand.Float64()*share*float64(d))
}
