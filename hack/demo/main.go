// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo shows the operator at work: it starts a control plane, a simulated GitLab and the manager with its
// shipped rules, takes the samples through their life, and exits with an error if anything is not as it tells.
//
//	demo           run it
//	demo -keep     run it, and leave everything running
//	demo -stop     end what -keep left running
//	demo -serve    hold the processes (the demo starts itself so)
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

func main() {
	keep := flag.Bool("keep", false, "leave everything running at the end")
	stop := flag.Bool("stop", false, "end what -keep left running")
	serve := flag.Bool("serve", false, "hold the processes until told to end")
	flag.Parse()
	root, err := controlplane.Root()
	if err == nil {
		dir := filepath.Join(root, "bin", "demo")
		switch {
		case *serve:
			err = hold(root, dir)
		case *stop:
			err = end(dir)
		default:
			err = run(root, dir, *keep)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// place is where the demo's parts are, as the holding process tells.
type place struct {
	Kubeconfig string `json:"kubeconfig"`
	GitLab     string `json:"gitlab"`
	Token      string `json:"token"`
	Log        string `json:"log"`
}

// run starts the holding process, goes through the steps, and ends it unless it is to be kept.
func run(root, dir string, keep bool) (err error) {
	if err := end(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	say("Starting a control plane (kube-apiserver and etcd, RBAC on), a simulated GitLab, and the manager with the rules it is shipped with")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "demo.log"))
	if err != nil {
		return err
	}
	holder := exec.Command(self, "-serve")
	holder.Dir, holder.Stdout, holder.Stderr = root, log, log
	holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := holder.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- holder.Wait() }()
	defer func() {
		if keep && err == nil {
			return
		}
		if stopErr := end(dir); err == nil {
			err = stopErr
		}
	}()
	if err := os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(holder.Process.Pid)), 0o600); err != nil {
		return err
	}
	where, err := await(ctx, dir, ended)
	if err != nil {
		return err
	}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		assets = filepath.Join(root, "bin", "k8s")
	}
	d := &demo{ctx: ctx, root: root, assets: assets, place: where}
	if err := d.steps(); err != nil {
		return fmt.Errorf("step %d is not as promised: %w\nThe manager's log is in %s", d.step, err, where.Log)
	}
	if !keep {
		say("All as promised")
		return nil
	}
	say("All as promised. It is left running; to talk to it:")
	fmt.Printf("  export KUBECONFIG=%s PATH=%s:$PATH\n", where.Kubeconfig, assets)
	fmt.Printf("  kubectl apply -k config/samples && kubectl get glic -w\n")
	fmt.Printf("  curl -H 'PRIVATE-TOKEN: %s' %s/api/v4/admin/clusters\n", where.Token, where.GitLab)
	fmt.Printf("  tail -f %s\n  make demo-stop        # ends it\n", where.Log)
	return nil
}

// await returns when the holding process says that all is started.
func await(ctx context.Context, dir string, ended <-chan error) (place, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var where place
		if text, err := os.ReadFile(filepath.Join(dir, "place.json")); err == nil && json.Unmarshal(text, &where) == nil {
			return where, nil
		}
		select {
		case <-ctx.Done():
			return place{}, ctx.Err()
		case err := <-ended:
			log, _ := os.ReadFile(filepath.Join(dir, "demo.log"))
			return place{}, fmt.Errorf("it does not start (%w):\n%s", err, log)
		case <-tick.C:
		}
	}
}

// end tells the holding process of an earlier run to end, and waits for it.
func end(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, "pid"), err)
	}
	// The number may be another process's by now: only one that runs this program is told to end.
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil && strings.HasSuffix(string(command), "demo\x00-serve\x00") {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			return err
		}
		for deadline := time.Now().Add(90 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", pid)
			}
		}
	}
	for _, name := range []string{"pid", "place.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n\033[1m"+format+"\033[0m\n", args...) }
