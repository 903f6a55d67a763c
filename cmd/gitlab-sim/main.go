// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// gitlab-sim serves a GitLab that has only its instance clusters API, for demonstrations and tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until the context ends and returns the exit code: 2 for bad flags, 1 for a server that can not start.
func run(ctx context.Context, args []string, env func(string) string, out, errs io.Writer) int {
	s, err := parse(args, env, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(errs, "gitlab-sim:", err)
		return 2
	}
	if err := serve(ctx, s, out); err != nil {
		_, _ = fmt.Fprintln(errs, "gitlab-sim:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, s settings, out io.Writer) error {
	sim := simulator.New(s.options)
	for _, token := range s.tokens {
		sim.SetToken(token)
	}
	for _, project := range s.projects {
		sim.AddProject(project)
	}
	if s.tlsDir != "" {
		certificate, err := certify(s)
		if err != nil {
			return err
		}
		s.server.Certificate = certificate
	}
	server, err := simulator.NewServer(sim, s.server)
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := fmt.Fprintf(out, "gitlab-sim listens at %s\n", server.URL); err != nil {
		return err
	}
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	sim.Close()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
