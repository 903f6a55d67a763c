// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

// What config/samples names.
const (
	gitLabAddress = "127.0.0.1:8929"
	adminToken    = "sample-admin-token"
)

// hold starts the control plane, gitlab-sim and the manager, says where they are, and ends them when told to.
func hold(root, dir string) (err error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	var cleanups []func()
	defer func() {
		for i := len(cleanups) - 1; i >= 0; i-- {
			cleanups[i]()
		}
	}()
	if conn, err := net.Dial("tcp", gitLabAddress); err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s is in use; the samples need it for the simulated GitLab", gitLabAddress)
	}
	cp, err := controlplane.Start()
	if err != nil {
		return err
	}
	cleanups = append(cleanups, func() { err = errors.Join(err, cp.Stop()) })

	scratch, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return err
	}
	t := &holder{dir: scratch}
	cleanups = append(cleanups, func() { t.cleanup(); _ = os.RemoveAll(scratch) })
	where := place{Kubeconfig: filepath.Join(dir, "kubeconfig"), GitLab: "http://" + gitLabAddress, Token: adminToken,
		Log: filepath.Join(dir, "manager.log")}
	if err := os.Rename(controlplane.Kubeconfig(t, cp.Config), where.Kubeconfig); err != nil {
		return err
	}
	gitlab, err := start(filepath.Join(dir, "gitlab.log"), filepath.Join(root, "bin", "gitlab-sim"),
		"--listen="+gitLabAddress, "--token="+adminToken)
	if err != nil {
		return err
	}
	cleanups = append(cleanups, func() { terminate(gitlab) })
	manager, err := start(where.Log, filepath.Join(root, "bin", "manager"), "--kubeconfig="+controlplane.Kubeconfig(t, cp.ManagerConfig(t)),
		"--sync-interval=2s", "--metrics-bind-address=0", "--health-probe-bind-address=0")
	if err != nil {
		return err
	}
	cleanups = append(cleanups, func() { terminate(manager) })
	if err := awaitGitLab(); err != nil {
		return err
	}
	text, err := json.Marshal(where)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "place.json"), text, 0o600); err != nil {
		return err
	}
	<-stop
	return nil
}

// start starts a program whose output goes to a file.
func start(log, program string, args ...string) (*exec.Cmd, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = file, file
	return command, command.Start()
}

func terminate(command *exec.Cmd) {
	_ = command.Process.Signal(syscall.SIGTERM)
	_ = command.Wait()
}

func awaitGitLab() error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get("http://" + gitLabAddress + "/api/v4/version")
		if err == nil {
			return response.Body.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the simulated GitLab does not answer: %w", err)
		}
	}
}

// holder is the controlplane.T of a program that is no test: a failure ends it.
type holder struct {
	dir      string
	cleanups []func()
}

func (h *holder) Helper()                         {}
func (h *holder) Logf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (h *holder) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (h *holder) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (h *holder) Cleanup(f func())                  { h.cleanups = append(h.cleanups, f) }
func (h *holder) TempDir() string                   { return h.dir }

func (h *holder) cleanup() {
	for i := len(h.cleanups) - 1; i >= 0; i-- {
		h.cleanups[i]()
	}
}
