// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

// settings are what the flags ask for.
type settings struct {
	options  simulator.Options
	server   simulator.ServerOptions
	tokens   []simulator.Token
	projects []simulator.Project
	tlsDir   string
	tlsHosts []string
}

const usage = `gitlab-sim serves a GitLab that has only its instance clusters API, below /api/v4/admin/clusters.

The administrator's token comes from --token or from the environment variable GITLAB_SIM_TOKEN.

`

// parse reads flags; its errors are one line.
func parse(args []string, env func(string) string, help io.Writer) (settings, error) {
	var s settings
	s.options.Hosts = map[string][]netip.Addr{}
	flags := flag.NewFlagSet("gitlab-sim", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.server.Address, "listen", "127.0.0.1:8929", "`address` to listen at; port 0 takes a free one")
	flags.StringVar(&s.options.Token, "token", "", "`value` of an administrator's token with the scopes api and admin_mode")
	readToken := flags.String("read-token", "", "`value` of an administrator's token with the scope read_api")
	userToken := flags.String("user-token", "", "`value` of a token of a user who is no administrator")
	feature := flags.Bool("feature", true, "state of the feature flag certificate_based_clusters")
	flags.BoolVar(&s.options.AdminMode, "admin-mode", false, "demand the scope admin_mode of administrators' tokens")
	flags.DurationVar(&s.options.Latency, "latency", 0, "time to wait before each answer")
	flags.IntVar(&s.options.RateLimit.Requests, "rate-limit", 0, "requests a user may make per --rate-period; 0 for any number")
	flags.DurationVar(&s.options.RateLimit.Period, "rate-period", time.Hour, "window of --rate-limit, in whole seconds")
	flags.BoolVar(&s.options.RateLimit.Headers, "rate-headers", false, "put RateLimit headers on every answer")
	flags.StringVar(&s.tlsDir, "tls-dir", "", "serve TLS with a CA made at the start, and write its ca.crt to this `directory`")
	flags.Func("tls-host", "further `name` or address for the TLS certificate; may be repeated", appendTo(&s.tlsHosts))
	flags.StringVar(&s.options.BasePath, "base-path", "", "`path` of a relative URL installation, for instance /gitlab")
	flags.StringVar(&s.options.ExternalURL, "external-url", "", "`URL` that GitLab believes to be its own (default: where it listens)")
	flags.BoolVar(&s.options.Outbound.AllowLocal, "allow-local-requests", false, "accept an api_url in a private network")
	flags.Func("host", "name=`address` that resolves when an api_url is checked; may be repeated", s.addHost)
	flags.Func("project", "`id` or id=namespace/path of a project that may manage clusters; may be repeated", s.addProject)
	flags.StringVar(&s.options.Version, "gitlab-version", "", "`version` that /version answers")
	flags.IntVar(&s.options.JournalSize, "journal-size", 10_000, "requests kept in the journal")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(help)
			_, _ = io.WriteString(help, usage)
			flags.PrintDefaults()
		}
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	if s.options.Token == "" {
		s.options.Token = env("GITLAB_SIM_TOKEN")
	}
	s.options.FeatureDisabled = !*feature
	s.server.HTTP2 = true
	if *readToken != "" {
		s.tokens = append(s.tokens, simulator.Token{Value: *readToken, Name: "read", Scopes: []string{"read_api", "admin_mode"}})
	}
	if *userToken != "" {
		s.tokens = append(s.tokens, simulator.Token{Value: *userToken, Name: "user",
			User: simulator.User{ID: 2, Username: "user", Name: "User"}, Scopes: []string{"api"}})
	}
	return s, s.check()
}

// check refuses what can not be meant.
func (s *settings) check() error {
	if s.options.Token == "" {
		return errors.New("no administrator's token: set --token or GITLAB_SIM_TOKEN")
	}
	if _, _, err := net.SplitHostPort(s.server.Address); err != nil {
		return fmt.Errorf("--listen %q: use host:port", s.server.Address)
	}
	if s.options.Latency < 0 {
		return fmt.Errorf("--latency %s: it can not be negative", s.options.Latency)
	}
	limit := s.options.RateLimit
	if limit.Requests < 0 {
		return fmt.Errorf("--rate-limit %d: it can not be negative", limit.Requests)
	}
	if limit.Period < time.Second || limit.Period%time.Second != 0 {
		return fmt.Errorf("--rate-period %s: use whole seconds, at least one", limit.Period)
	}
	if s.options.JournalSize < 1 {
		return fmt.Errorf("--journal-size %d: keep at least one", s.options.JournalSize)
	}
	if external := s.options.ExternalURL; external != "" {
		u, err := url.Parse(external)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("--external-url %q: use http://host or https://host, with a path if there is one", external)
		}
	}
	if strings.ContainsAny(s.options.BasePath, "?#") {
		return fmt.Errorf("--base-path %q: use a path such as /gitlab", s.options.BasePath)
	}
	return nil
}

func (s *settings) addHost(text string) error {
	name, address, _ := strings.Cut(text, "=")
	a, err := netip.ParseAddr(address)
	if err != nil || name == "" {
		return errors.New("use name=address")
	}
	s.options.Hosts[name] = append(s.options.Hosts[name], a)
	return nil
}

func (s *settings) addProject(text string) error {
	number, path, _ := strings.Cut(text, "=")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id <= 0 {
		return errors.New("use an id above 0, or id=namespace/path")
	}
	p := simulator.Project{ID: id, PathWithNamespace: path}
	if at := strings.LastIndex(path, "/"); at >= 0 {
		p.Path = path[at+1:]
		p.Name = p.Path
		p.NameWithNamespace = strings.ReplaceAll(path, "/", " / ")
	}
	s.projects = append(s.projects, p)
	return nil
}

func appendTo(list *[]string) func(string) error {
	return func(text string) error {
		*list = append(*list, text)
		return nil
	}
}
