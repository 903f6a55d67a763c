// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// The annotation outlives the program that wrote it: its format may grow and must not change.
const writtenIntent = `{"attempt":2,"gitlabURL":"https://gitlab.example.com","scope":"production/*","name":"pro\"d","apiURL":` +
	`"https://k8s.example.com:6443","tokenSecretVersion":"uid/7/token","gitlabTokenSecret":"uid/token","highestID":41}`

func TestIntentRoundTrip(t *testing.T) {
	in, err := parseIntent(writtenIntent)
	if err != nil {
		t.Fatal(err)
	}
	if want := (intent{Attempt: 2, GitLabURL: here, Scope: "production/*", Name: `pro"d`, APIURL: "https://k8s.example.com:6443",
		TokenSecretVersion: "uid/7/token", GitLabTokenSecret: "uid/token", HighestID: 41}); *in != want {
		t.Errorf("read %+v", *in)
	}
	if in.String() != writtenIntent {
		t.Errorf("written %s", in.String())
	}
}

func TestParseIntent(t *testing.T) {
	if in, err := parseIntent(""); in != nil || err != nil {
		t.Errorf("no annotation is %v, %v", in, err)
	}
	if in, err := parseIntent(strings.Replace(writtenIntent, `{`, `{"later":true,`, 1)); err != nil || in.Attempt != 2 {
		t.Errorf("a field of a later version: %v, %v", in, err)
	}
	for _, text := range []string{" ", "x", "null", "{}", "[]", `"x"`, `{"attempt":"1"}`, writtenIntent[:40], writtenIntent + "x",
		strings.Replace(writtenIntent, `"attempt":2`, `"attempt":0`, 1), strings.Replace(writtenIntent, here, "", 1)} {
		if in, err := parseIntent(text); err == nil {
			t.Errorf("%q is read as %+v: what cannot be understood must not be guessed", text, in)
		}
	}
}

func FuzzParseIntent(f *testing.F) {
	for _, text := range []string{"", writtenIntent, "{}", "null", `{"attempt":1,"gitlabURL":"x","highestID":-1}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := parseIntent(text)
		switch {
		case err != nil && in != nil:
			t.Errorf("an error and %+v", in)
		case err != nil:
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		case in == nil && text != "":
			t.Error("read as no intent")
		case in != nil:
			again, err := parseIntent(in.String())
			if err != nil || *again != *in {
				t.Errorf("%+v becomes %+v, %v", in, again, err)
			}
		}
	})
}

func TestMade(t *testing.T) {
	in := anIntent(4)
	for name, test := range map[string]struct {
		change func(*gitlab.Cluster)
		spec   func(*want)
		made   bool
	}{
		"the cluster that was sent":           {made: true},
		"one that was there before":           {change: func(c *gitlab.Cluster) { c.ID = 4 }},
		"one of Google's":                     {change: func(c *gitlab.Cluster) { c.ProviderType = "gcp" }},
		"one with another name":               {change: func(c *gitlab.Cluster) { c.Name = "Production" }},
		"one with another scope":              {change: func(c *gitlab.Cluster) { c.EnvironmentScope = "*" }},
		"one with another API URL":            {change: func(c *gitlab.Cluster) { c.APIURL += "/" }},
		"the one sent, the spec edited since": {spec: func(w *want) { w.Name, w.EnvironmentScope, w.APIURL = "x", "x", "x" }, made: true},
		"one like the spec after an edit": {change: func(c *gitlab.Cluster) { c.Name = "x" },
			spec: func(w *want) { w.Name = "x" }, made: true},
		"one that is half like the intent and half like the spec": {change: func(c *gitlab.Cluster) { c.Name = "x" },
			spec: func(w *want) { w.Name, w.APIURL = "x", "x" }},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, w := aCluster(5), aWant()
			if test.change != nil {
				test.change(&cluster)
			}
			if test.spec != nil {
				test.spec(&w)
			}
			if in.made(cluster, w.Attributes) != test.made {
				t.Errorf("made: %t", !test.made)
			}
		})
	}
}

// TestNextIntent tells with which number and highest id an add goes out after what was recorded before.
func TestNextIntent(t *testing.T) {
	o := observed{URL: here, HighestID: 9}
	for name, test := range map[string]struct {
		rec              recorded
		attempt, highest int64
	}{
		"the first":                    {recorded{}, 1, 9},
		"after a refused one":          {recorded{Intent: anIntent(4), Refused: 1}, 2, 9},
		"after one that came to light": {recorded{Intent: anIntent(4), ID: 5}, 2, 9},
		"after one without an answer: what that one made is still later":  {recorded{Intent: anIntent(4)}, 2, 4},
		"after the annotation was removed: never the number of a refusal": {recorded{Refused: 3}, 4, 9},
		"after an older annotation was restored":                          {recorded{Intent: anIntent(4), Refused: 3}, 4, 4},
		"after one without an answer at another GitLab": {recorded{Intent: &intent{Attempt: 1, GitLabURL: there, HighestID: 2}},
			2, 9},
	} {
		t.Run(name, func(t *testing.T) {
			in := test.rec.next(aWant(), o)
			if in.Attempt != test.attempt || in.HighestID != test.highest {
				t.Errorf("attempt %d, highest id %d: not %d, %d", in.Attempt, in.HighestID, test.attempt, test.highest)
			}
			if in.GitLabURL != here || in.Scope != "production/*" || in.Name != "production" ||
				in.APIURL != "https://k8s.example.com:6443" || in.TokenSecretVersion != "uid/7/token" {
				t.Errorf("not what is sent: %+v", in)
			}
			after := test.rec
			after.Intent = &in
			if !after.open() {
				t.Error("once it is written its outcome must count as unknown")
			}
		})
	}
}

// TestOpen tells when it is not known what became of an add.
func TestOpen(t *testing.T) {
	for name, test := range map[string]struct {
		rec  recorded
		open bool
	}{
		"nothing was ever sent":                           {recorded{}, false},
		"sent, and nothing heard":                         {recorded{Intent: anIntent(4)}, true},
		"refused":                                         {recorded{Intent: anIntent(4), Refused: 1}, false},
		"an earlier one was refused":                      {recorded{Intent: &intent{Attempt: 2, HighestID: 4}, Refused: 1}, true},
		"answered with a later id":                        {recorded{Intent: anIntent(4), ID: 5}, false},
		"added again, and the id is still the former one": {recorded{Intent: anIntent(5), ID: 5}, true},
	} {
		if test.rec.open() != test.open {
			t.Errorf("%s: open is %t", name, !test.open)
		}
	}
}
