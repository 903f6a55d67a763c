// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// certify makes a certificate authority, writes its certificate for clients to trust, and issues the server's.
func certify(s settings) (*tls.Certificate, error) {
	ca, err := simulator.NewCA()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.tlsDir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.tlsDir, "ca.crt"), ca.PEM(), 0o644); err != nil {
		return nil, err
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(s.server.Address); err == nil {
		hosts = append(hosts, host)
	}
	if external, err := url.Parse(s.options.ExternalURL); err == nil {
		hosts = append(hosts, external.Hostname())
	}
	hosts = append(hosts, s.tlsHosts...)
	slices.Sort(hosts)
	hosts = slices.DeleteFunc(slices.Compact(hosts), func(host string) bool { return host == "" })
	return ca.Issue(simulator.Certificate{Hosts: hosts})
}
