// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

// managerBinary names the variable that holds the path of a manager to test instead of one built here.
const managerBinary = "TEST_MANAGER"

// Manager is the shipped manager, running as a process of its own.
type Manager struct {
	// Health and MetricsURL are where its probes and its metrics are.
	Health, MetricsURL string

	cmd    *exec.Cmd
	log    logBuffer
	exited chan struct{}
	err    error // of cmd.Wait, once exited is closed
}

// StartManager starts the manager with its ServiceAccount's access and returns when it is ready. The test's end
// stops it. The arguments come after those given here, which they may so override: no leader election, probes and
// plain metrics on loopback ports.
func (c *ControlPlane) StartManager(t T, args ...string) *Manager {
	t.Helper()
	return StartManager(t, c.ManagerConfig(t), args...)
}

// StartManager is as ControlPlane.StartManager, with the access that config has.
func StartManager(t T, config *rest.Config, args ...string) *Manager {
	t.Helper()
	m := LaunchManager(t, config, args...)
	m.awaitReady(t)
	return m
}

// LaunchManager is as StartManager, but does not wait.
func LaunchManager(t T, config *rest.Config, args ...string) *Manager {
	t.Helper()
	return Program{}.Launch(t, config, args...)
}

// Program is a manager to run; the zero value is the one under test.
type Program struct {
	// Path is another binary's.
	Path string
	// Env is added to its environment, as KEY=value.
	Env []string
	// Panics are expected of it, and fail no test.
	Panics bool
}

// Start is as StartManager.
func (p Program) Start(t T, config *rest.Config, args ...string) *Manager {
	t.Helper()
	m := p.Launch(t, config, args...)
	m.awaitReady(t)
	return m
}

// Launch is as LaunchManager.
func (p Program) Launch(t T, config *rest.Config, args ...string) *Manager {
	t.Helper()
	binary := p.Path
	if binary == "" {
		var err error
		if binary, err = builtManager(); err != nil {
			t.Fatalf("building the manager: %v", err)
		}
	}
	probes, metrics := FreeAddress(t), FreeAddress(t)
	m := &Manager{
		Health:     "http://" + probes,
		MetricsURL: "http://" + metrics + "/metrics",
		exited:     make(chan struct{}),
	}
	m.cmd = exec.Command(binary, append([]string{
		"--kubeconfig=" + Kubeconfig(t, config),
		"--leader-elect=false",
		"--health-probe-bind-address=" + probes,
		"--metrics-bind-address=" + metrics,
		"--metrics-secure=false",
	}, args...)...)
	m.cmd.Stdout, m.cmd.Stderr = &m.log, &m.log
	m.cmd.Env = append(os.Environ(), p.Env...)
	if err := m.cmd.Start(); err != nil {
		t.Fatalf("starting the manager: %v", err)
	}
	go func() {
		m.err = m.cmd.Wait()
		close(m.exited)
	}()
	t.Cleanup(func() {
		m.end()
		if log := m.Log(); strings.Contains(log, "WARNING: DATA RACE") || !p.Panics && strings.Contains(log, "Observed a panic") {
			t.Errorf("the manager has a data race or panicked:\n%s", log)
		}
	})
	return m
}

func (m *Manager) awaitReady(t T) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-m.exited:
			t.Fatalf("the manager ended before it was ready (%v):\n%s", m.err, m.Log())
		case <-time.After(20 * time.Millisecond):
		}
		if status, _, err := get(m.Health + "/readyz"); err == nil && status == http.StatusOK {
			return
		}
	}
	t.Fatalf("the manager is not ready after a minute:\n%s", m.Log())
}

// Log is all that the manager has written so far.
func (m *Manager) Log() string { return m.log.String() }

// Metrics returns its metrics as Prometheus reads them. They are served from a moment after the manager is ready.
func (m *Manager) Metrics(t T) string {
	t.Helper()
	status, body, err := get(m.MetricsURL)
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
		status, body, err = get(m.MetricsURL)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("reading metrics: status %d, %v", status, err)
	}
	return body
}

// Signal sends a signal, SIGSTOP and SIGCONT for instance.
func (m *Manager) Signal(t T, signal syscall.Signal) {
	t.Helper()
	if err := m.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("sending %s to the manager: %v", signal, err)
	}
}

// Exited is closed when the process has ended.
func (m *Manager) Exited() <-chan struct{} { return m.exited }

// PID is the process.
func (m *Manager) PID() int { return m.cmd.Process.Pid }

// Stop asks the manager to end, as Kubernetes does, and waits for it; one that takes longer than its grace period or
// ends with an error fails the test.
func (m *Manager) Stop(t T) {
	t.Helper()
	m.Signal(t, syscall.SIGTERM)
	select {
	case <-m.exited:
		if m.err != nil {
			t.Errorf("the manager ended with %v:\n%s", m.err, m.Log())
		}
	case <-time.After(60 * time.Second):
		m.Kill()
		t.Errorf("the manager had not ended 60 s after SIGTERM:\n%s", m.Log())
	}
}

// Wait waits for the process to end by itself and returns its exit code, -1 for a death by signal.
func (m *Manager) Wait(t T, limit time.Duration) int {
	t.Helper()
	select {
	case <-m.exited:
		return m.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("the manager still runs after %s:\n%s", limit, m.Log())
		return 0
	}
}

// Kill ends the process at once, as a lost node would.
func (m *Manager) Kill() {
	_ = m.cmd.Process.Kill() // It may have ended by itself.
	<-m.exited
}

// end stops the process if it still runs, paused or not.
func (m *Manager) end() {
	_ = m.cmd.Process.Signal(syscall.SIGCONT)
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.exited:
	case <-time.After(10 * time.Second):
		m.Kill()
	}
}

// builtManager is the binary under test, built with the race detector once for each run of a test binary.
var builtManager = sync.OnceValues(func() (string, error) {
	if given := os.Getenv(managerBinary); given != "" {
		return given, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "bin", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Packages are tested at the same time: each builds aside and renames.
	binary := filepath.Join(dir, "manager")
	aside := fmt.Sprintf("%s.%d", binary, os.Getpid())
	build := exec.Command("go", "build", "-race", "-o", aside, "./cmd/manager")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, output)
	}
	return binary, os.Rename(aside, binary)
})

// FreeAddress is a loopback address with a port that nobody listened at a moment ago.
func FreeAddress(t T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("looking for a free port: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func get(url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// logBuffer is a buffer that may be read while it is written.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
