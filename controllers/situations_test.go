// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"iter"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

const (
	here  = "https://gitlab.example.com"
	there = "https://other.example.com"
	born  = "2020-07-14T18:42:50.805Z"
)

// aWant is what a plain object wants; aCluster is what GitLab has for it, equal in all that is compared.
func aWant() want {
	return want{
		Attributes: gitlab.Attributes{
			Name: "production", EnvironmentScope: "production/*", Enabled: true, Managed: true, NamespacePerEnvironment: true,
			APIURL: "https://k8s.example.com:6443", AuthorizationType: "rbac",
		},
		Generation: 3, TokenVersion: "uid/7/token", GitLabURL: here,
		Adoption: v1alpha1.AdoptionNever, Deletion: v1alpha1.DeletionDelete, Drift: v1alpha1.DriftCorrect,
	}
}

func aCluster(id int64) gitlab.Cluster {
	yes := true
	return gitlab.Cluster{
		ID: id, Name: "production", CreatedAt: born, ProviderType: providerUser, EnvironmentScope: "production/*",
		Enabled: &yes, Managed: &yes, NamespacePerEnvironment: &yes, APIURL: "https://k8s.example.com:6443",
		AuthorizationType: "rbac",
	}
}

func anIntent(highest int64) *intent {
	return &intent{Attempt: 1, GitLabURL: here, Scope: "production/*", Name: "production",
		APIURL: "https://k8s.example.com:6443", TokenSecretVersion: "uid/7/token", HighestID: highest}
}

// aSettled is the situation of an object whose cluster 5 GitLab has as it shall be: nothing is to be done.
func aSettled() situation {
	cluster := aCluster(5)
	return situation{
		Want: aWant(),
		Recorded: recorded{ID: 5, CreatedAt: born, GitLabURL: here, TokenVersion: "uid/7/token", Intent: anIntent(4),
			Finalizer: true},
		Observed: observed{URL: here, Cluster: &cluster, Holders: []gitlab.Cluster{cluster}, HighestID: 9,
			Owners: map[int64]owner{}},
	}
}

// aNew is the situation of an object that was just created.
func aNew() situation {
	return situation{Want: aWant(), Observed: observed{URL: here, HighestID: 9, Owners: map[int64]owner{}}}
}

// with is cluster with one thing changed.
func with(cluster gitlab.Cluster, change func(*gitlab.Cluster)) gitlab.Cluster {
	change(&cluster)
	return cluster
}

// option is one value that a part of the situation can have.
type option struct {
	name string
	set  func(*situation)
}

// dimension is a part of the situation; fits, if not nil, says whether its options past the first matter.
type dimension struct {
	name    string
	fits    func(*situation) bool
	options []option
}

func flag(name string, set func(*situation)) dimension {
	return dimension{name: name, options: []option{{"", func(*situation) {}}, {name, set}}}
}

func when(fits func(*situation) bool, d dimension) dimension {
	d.fits = fits
	return d
}

// The dimensions are ordered so that what a later one depends on is set before it.
var dimensions = []dimension{
	{name: "record", options: []option{
		{"none", func(*situation) {}},
		{"5", func(s *situation) {
			s.Recorded.ID, s.Recorded.CreatedAt, s.Recorded.GitLabURL, s.Recorded.TokenVersion = 5, born, here, "uid/7/token"
		}},
	}},
	{name: "intent", options: []option{
		{"none", func(*situation) {}},
		{"open", func(s *situation) { s.Recorded.Intent = anIntent(7) }},
		{"open for another scope", func(s *situation) {
			s.Recorded.Intent = anIntent(7)
			s.Recorded.Intent.Scope = "staging/*"
		}},
		{"open elsewhere", func(s *situation) {
			s.Recorded.Intent = anIntent(7)
			s.Recorded.Intent.GitLabURL = there
		}},
		{"refused", func(s *situation) { s.Recorded.Intent, s.Recorded.Refused = anIntent(7), 1 }},
		{"closed", func(s *situation) { s.Recorded.Intent = anIntent(4) }}, // by id 5; open if none is recorded
	}},
	flag("deleting", func(s *situation) { s.Want.Deleting = true }),
	when(isDeleting, flag("finalizer", func(s *situation) { s.Recorded.Finalizer = true })),
	when(isDeleting, flag("orphan", func(s *situation) { s.Want.Deletion = v1alpha1.DeletionOrphan })),
	flag("suspended", func(s *situation) { s.Want.Suspended = true }),
	when(isOpen, flag("settled", func(s *situation) { s.Observed.Settled = true })),
	when(keeps, dimension{name: "clusterID", options: []option{
		{"", func(*situation) {}},
		{"5", func(s *situation) { s.Want.ClusterID = 5 }},
		{"6", func(s *situation) { s.Want.ClusterID = 6 }},
	}}),
	when(func(s *situation) bool { return asksGitLab(s) && hasID(s) },
		flag("recorded at another URL", func(s *situation) { s.Recorded.GitLabURL = there })),
	when(func(s *situation) bool { return isOpen(s) && s.Recorded.Intent.GitLabURL != here },
		flag("looked at the intent's URL", func(s *situation) { s.Observed.URL = there })),
	when(func(s *situation) bool { return asksGitLab(s) && (hasID(s) || s.Want.ClusterID != 0) },
		dimension{name: "cluster", options: []option{
			{"absent", func(*situation) {}},
			{"equal", found(func(*gitlab.Cluster) {})},
			{"reborn", found(func(c *gitlab.Cluster) { c.CreatedAt = "2021-01-01T00:00:00.000Z" })},
			{"same instant in another zone", found(func(c *gitlab.Cluster) { c.CreatedAt = "2020-07-14T20:42:50.805+02:00" })},
			{"gcp", found(func(c *gitlab.Cluster) { c.ProviderType = "gcp" })},
			{"abac", found(func(c *gitlab.Cluster) { c.AuthorizationType = "abac" })},
			{"renamed", found(func(c *gitlab.Cluster) { c.Name = "prod" })},
			{"scope differs", found(func(c *gitlab.Cluster) { c.EnvironmentScope = "staging/*" })},
			{"all differs", found(allDiffers)},
		}}),
	when(asksGitLab, dimension{name: "holders", options: []option{
		{"none", func(*situation) {}},
		{"recorded", holders(5)},
		{"foreign", holders(6, func(c *gitlab.Cluster) { c.Name = "theirs" })},
		{"matching", holders(6)},
		{"matching but gcp", holders(6, func(c *gitlab.Cluster) { c.ProviderType = "gcp" })},
		{"made", holders(8)},
		{"made for the intent", holders(8, func(c *gitlab.Cluster) { c.EnvironmentScope = "staging/*" })},
		{"foreign and made", func(s *situation) {
			holders(6, func(c *gitlab.Cluster) { c.Name = "theirs" })(s)
			holders(8)(s)
		}},
	}}),
	when(func(s *situation) bool { return len(s.Observed.Holders) > 0 }, flag("holder owned", func(s *situation) {
		s.Observed.Owners[s.Observed.Holders[len(s.Observed.Holders)-1].ID] = owner{Name: "team/other"}
	})),
	when(func(s *situation) bool { return asksGitLab(s) && (hasID(s) || s.Want.ClusterID != 0) },
		dimension{name: "owner", options: []option{{"", func(*situation) {}}, {"a younger", owns(false)}, {"an older", owns(true)}}}),
	when(func(s *situation) bool { return keeps(s) && s.Observed.Cluster == nil },
		flag("rival", func(s *situation) { s.Observed.Rival = "team/older" })),
	when(func(s *situation) bool { return keeps(s) && s.Observed.Cluster == nil && len(s.Observed.Holders) > 0 },
		flag("Matching", func(s *situation) { s.Want.Adoption = v1alpha1.AdoptionMatching })),
	when(compares, flag("Report", func(s *situation) { s.Want.Drift = v1alpha1.DriftReport })),
	when(compares, flag("token rotated", func(s *situation) { s.Want.TokenVersion = "uid/8/token" })),
	when(corrects, dimension{name: "stuck", options: []option{{"", func(*situation) {}}, {"same", stuckOn(3)}, {"older", stuckOn(2)}}}),
}

func isDeleting(s *situation) bool { return s.Want.Deleting }
func hasID(s *situation) bool      { return s.Recorded.ID != 0 }
func isOpen(s *situation) bool     { return asksGitLab(s) && s.Recorded.open() }
func asksGitLab(s *situation) bool { _, alone := decideAlone(*s); return !alone }
func keeps(s *situation) bool      { return asksGitLab(s) && !s.Want.Deleting }

// compares: a recorded cluster was found and is compared with the spec.
func compares(s *situation) bool {
	return keeps(s) && s.Observed.Cluster != nil && hasID(s) && !(s.Recorded.open() && !s.Observed.Settled)
}

func corrects(s *situation) bool { return compares(s) && s.Want.Drift == v1alpha1.DriftCorrect }

func found(change func(*gitlab.Cluster)) func(*situation) {
	return func(s *situation) {
		id := s.Recorded.ID
		if id == 0 {
			id = s.Want.ClusterID
		}
		if id == 0 {
			return // nothing was looked for
		}
		cluster := with(aCluster(id), change)
		s.Observed.Cluster = &cluster
	}
}

func allDiffers(c *gitlab.Cluster) {
	no := false
	c.Name, c.EnvironmentScope, c.Domain, c.ManagementProjectID = "x", "x", "x.example.com", 4
	c.Enabled, c.Managed, c.NamespacePerEnvironment = &no, &no, &no
	c.APIURL, c.CADigest, c.Namespace = "https://x.example.com", "digest", "x"
}

func holders(id int64, changes ...func(*gitlab.Cluster)) func(*situation) {
	return func(s *situation) {
		cluster := aCluster(id)
		for _, change := range changes {
			change(&cluster)
		}
		s.Observed.Holders = append(s.Observed.Holders, cluster)
	}
}

func owns(first bool) func(*situation) {
	return func(s *situation) {
		for _, id := range []int64{s.Recorded.ID, s.Want.ClusterID} {
			if id != 0 {
				s.Observed.Owners[id] = owner{Name: "team/other", First: first}
			}
		}
	}
}

func stuckOn(generation int64) func(*situation) {
	return func(s *situation) {
		s.Stuck = &stuck{Generation: generation, TokenVersion: s.Want.TokenVersion,
			Fields: differing(s.Want, s.Recorded, *s.Observed.Cluster), Answer: *s.Observed.Cluster}
	}
}

// differing is what an edit would have to send.
func differing(w want, rec recorded, have gitlab.Cluster) []gitlab.Field {
	fields := gitlab.Differences(w.Attributes, have)
	if w.TokenVersion != rec.TokenVersion {
		fields = append(fields, gitlab.FieldToken)
	}
	return fields
}

// situations is the product of all dimensions. The name tells which option of each was chosen.
func situations() iter.Seq2[func() string, situation] {
	return func(yield func(func() string, situation) bool) {
		chosen := make([]int, len(dimensions))
		name := func() string {
			text := ""
			for i, d := range dimensions {
				if o := d.options[chosen[i]]; o.name != "" {
					text += fmt.Sprintf("%s: %s; ", d.name, o.name)
				}
			}
			return text
		}
		for {
			s := aNew()
			if skip := build(&s, chosen); skip < 0 {
				if !yield(name, s) {
					return
				}
				skip = len(dimensions) - 1
				if !advance(chosen, skip) {
					return
				}
			} else if !advance(chosen, skip) {
				return
			}
		}
	}
}

// build sets the chosen options; the answer is the first dimension whose choice does not fit, -1 if all do.
func build(s *situation, chosen []int) int {
	for i, d := range dimensions {
		if chosen[i] > 0 && d.fits != nil && !d.fits(s) {
			return i
		}
		d.options[chosen[i]].set(s)
	}
	return -1
}

// advance chooses the next option of dimension last, or of one before it, and the first of all behind.
func advance(chosen []int, last int) bool {
	for i := last; i >= 0; i-- {
		for j := i + 1; j < len(chosen); j++ {
			chosen[j] = 0
		}
		if chosen[i]++; chosen[i] < len(dimensions[i].options) {
			return true
		}
		chosen[i] = 0
	}
	return false
}
