// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// modelErrors are messages by attribute, in the order in which they were found.
type modelErrors struct {
	attributes []string
	messages   map[string][]string
}

func (e *modelErrors) add(attribute, message string) {
	if e.messages == nil {
		e.messages = map[string][]string{}
	}
	if _, known := e.messages[attribute]; !known {
		e.attributes = append(e.attributes, attribute)
	}
	e.messages[attribute] = append(e.messages[attribute], message)
}

func (e *modelErrors) any() bool { return len(e.attributes) > 0 }

// MarshalJSON keeps the order.
func (e *modelErrors) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, attribute := range e.attributes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(attribute))
		b.WriteByte(':')
		b.Write(encode(e.messages[attribute]))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

var (
	scopeFormat     = regexp.MustCompile(`\A[a-zA-Z0-9_/${}. \-*]+\z`)
	namespaceFormat = regexp.MustCompile(`\A[a-z0-9]([-a-z0-9]*[a-z0-9])?\z`)
)

const namespaceMessage = "can contain only lowercase letters, digits, and '-'. " +
	"Must start with a letter, and cannot end with '-'"

// change is a cluster before and after the assignment of a request's attributes.
type change struct {
	// before is nil for an add.
	before *Cluster
	after  Cluster
	// platform says that the platform's row is touched: only then is it normalised and validated. A token counts even if
	// it is the same, because it is encrypted anew.
	platform bool
	token    bool
}

// validate checks a change as app/models/clusters/cluster.rb and platforms/kubernetes.rb do.
func (s *Simulator) validate(c *change) *modelErrors {
	errs := &modelErrors{}
	s.validateScope(errs, c)
	if c.platform {
		s.validatePlatform(errs, c)
	}
	validateName(errs, c)
	if d := c.after.Domain; d != nil && !blank(*d) {
		for _, message := range hostnameErrors(*d) {
			errs.add("domain", message)
		}
	}
	if g := c.after.GCP; c.before != nil && g != nil && (g.StatusName == "scheduled" || g.StatusName == "creating") {
		errs.add("base", "Cannot modify provider during creation")
	}
	s.validateUnique(errs, &c.after)
	return errs
}

func (s *Simulator) validateScope(errs *modelErrors, c *change) {
	scope := c.after.EnvironmentScope
	if blank(scope) {
		errs.add("environment_scope", "can't be blank")
	}
	if !scopeFormat.MatchString(scope) {
		errs.add("environment_scope",
			"can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces")
	}
	if c.before != nil && c.before.EnvironmentScope == scope {
		return
	}
	if scope == "" {
		errs.add("environment_scope", "is too short (minimum is 1 character)")
	}
	if utf8.RuneCountInString(scope) > 255 {
		errs.add("environment_scope", "is too long (maximum is 255 characters)")
	}
}

func (s *Simulator) validateUnique(errs *modelErrors, c *Cluster) {
	const message = "cannot add duplicated environment scope"
	if s.clusters.scopeTaken(c.EnvironmentScope, c.ID) {
		errs.add("environment_scope", message)
	}
	if p := c.ManagementProjectID; p != nil && s.clusters.managedElsewhere(*p, c.EnvironmentScope, c.ID) {
		errs.add("environment_scope", message)
	}
}

// validateName is app/validators/cluster_name_validator.rb.
func validateName(errs *modelErrors, c *change) {
	name := c.after.Name
	changed := c.before == nil || c.before.Name != name
	if c.after.ProviderType == "user" {
		if blank(name) {
			errs.add("name", "has to be present")
		}
		if changed && utf8.RuneCountInString(name) > 2048 {
			errs.add("name", "is too long")
		}
		return
	}
	if c.before != nil && changed {
		errs.add("name", "can not be changed because it's synchronized with provider")
	}
	if length := utf8.RuneCountInString(name); length < 1 || length > 63 {
		errs.add("name", "syntax is invalid")
	}
	if !namespaceFormat.MatchString(name) {
		errs.add("name", namespaceMessage)
	}
}

func (s *Simulator) validatePlatform(errs *modelErrors, c *change) {
	add := func(attribute, message string) { errs.add("platform_kubernetes."+attribute, message) }
	if n := c.after.Namespace; n != nil {
		if utf8.RuneCountInString(*n) > 63 {
			add("namespace", "is too long (maximum is 63 characters)")
		}
		if !namespaceFormat.MatchString(*n) {
			add("namespace", namespaceMessage)
		}
		if *n == "gitlab-managed-apps" {
			add("namespace", "is reserved")
		}
		if c.after.Managed {
			add("namespace", "only allowed for project cluster")
		}
	}
	if blank(c.after.APIURL) {
		add("api_url", "must be a valid URL")
		add("api_url", "can't be blank")
	} else if reason := s.blocked(c.after.APIURL); reason != "" {
		add("api_url", "is blocked: "+reason)
	}
	if blank(c.after.Token) {
		add("token", "can't be blank")
	}
	ca := c.after.CACert
	if ca != nil && !blank(*ca) && (c.before == nil || differ(c.before.CACert, ca)) && !isCertificate(*ca) {
		add("ca_cert", "must be a valid PEM certificate")
	}
	if c.before != nil && c.after.ProviderType != "user" &&
		(c.before.APIURL != c.after.APIURL || c.token || differ(c.before.CACert, ca)) {
		add("base", "Cannot modify managed Kubernetes cluster")
	}
}

// isCertificate tells whether OpenSSL would find an X.509 certificate in a text: the first one of a PEM bundle, or DER.
func isCertificate(text string) bool {
	rest := []byte(text)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			_, err := x509.ParseCertificate([]byte(text))
			return err == nil
		}
		if slices.Contains([]string{"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"}, block.Type) {
			_, err := x509.ParseCertificate(block.Bytes)
			return err == nil
		}
	}
}

// normalize does what happens before validation to a platform whose row is touched.
func (c *Cluster) normalize() {
	c.APIURL, c.Token = strip(c.APIURL), strip(c.Token)
	if c.CACert != nil {
		c.CACert = new(strip(*c.CACert))
	}
	if c.Namespace != nil {
		if blank(*c.Namespace) {
			c.Namespace = nil
		} else {
			c.Namespace = new(strings.ToLower(*c.Namespace))
		}
	}
}

func differ(a, b *string) bool {
	if a == nil || b == nil {
		return a != b
	}
	return *a != *b
}
