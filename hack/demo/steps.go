// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long a step waits for what it promises.
const patience = 30 * time.Second

// demo goes through the steps.
type demo struct {
	place
	ctx          context.Context
	root, assets string
	step         int
}

// cluster is what the steps look at of GitLab's answer.
type cluster struct {
	ID                      int64  `json:"id"`
	Name                    string `json:"name"`
	EnvironmentScope        string `json:"environment_scope"`
	Domain                  string `json:"domain"`
	NamespacePerEnvironment bool   `json:"namespace_per_environment"`
}

func (d *demo) steps() error {
	for _, step := range []struct {
		title string
		do    func() error
	}{
		{"Apply the samples: GitLab has the clusters, and their ids are in the status", d.add},
		{"Edit an object: GitLab gets the one field that changed", d.edit},
		{"Rotate the cluster's token in its Secret: GitLab has the new one seconds later", d.rotate},
		{"Change the cluster in GitLab by hand: it is put back", d.drift},
		{"Apply a wrong manifest: it is refused, with what to do", d.refuse},
		{"Delete the objects: GitLab loses the clusters", d.remove},
	} {
		d.step++
		say("%d. %s", d.step, step.title)
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) add() error {
	if err := d.show("apply", "-k", "config/samples"); err != nil {
		return err
	}
	if err := d.show("wait", "glic", "--all", "--for=condition=Ready", "--timeout="+patience.String()); err != nil {
		return err
	}
	if err := d.show("get", "glic"); err != nil {
		return err
	}
	for _, name := range []string{"production", "staging"} {
		have, err := d.recorded(name)
		if err != nil {
			return err
		}
		if have.EnvironmentScope != name+"/*" {
			return fmt.Errorf("GitLab's cluster %d has the scope %q", have.ID, have.EnvironmentScope)
		}
		tell("GitLab has cluster %d, %q, for the scope %s", have.ID, have.Name, have.EnvironmentScope)
	}
	return nil
}

func (d *demo) edit() error {
	if err := d.show("patch", "glic", "production", "--type=merge", "-p", `{"spec":{"domain":"apps.example.com"}}`); err != nil {
		return err
	}
	return d.until(`GitLab's cluster has the domain "apps.example.com"`, func() (bool, error) {
		have, err := d.recorded("production")
		return have.Domain == "apps.example.com", err
	})
}

func (d *demo) rotate() error {
	const rotated = "sample-cluster-token-after-rotation"
	if err := d.show("patch", "secret", "gitlab-sa", "--type=merge", "-p", `{"stringData":{"token":"`+rotated+`"}}`); err != nil {
		return err
	}
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(rotated)))
	for _, name := range []string{"production", "staging"} {
		err := d.until(fmt.Sprintf("GitLab confirms that cluster %s has the new token (by its SHA-256, %s…)", name, want[:12]), func() (bool, error) {
			have, err := d.recorded(name)
			if err != nil {
				return false, err
			}
			digest, err := d.request(http.MethodGet, fmt.Sprintf("/-/simulator/clusters/%d/token-sha256", have.ID), "")
			return strings.Contains(string(digest), want), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) drift() error {
	before, err := d.recorded("production")
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/api/v4/admin/clusters/%d", before.ID)
	tell("PUT %s {\"name\": \"changed by hand\"}, as an administrator of GitLab would", path)
	if _, err := d.request(http.MethodPut, path, `{"name": "changed by hand"}`); err != nil {
		return err
	}
	err = d.until(fmt.Sprintf("GitLab's cluster is called %q again", before.Name), func() (bool, error) {
		have, err := d.recorded("production")
		return have.Name == before.Name, err
	})
	if err != nil {
		return err
	}
	return d.show("get", "events", "--field-selector=reason=DriftCorrected", "-o=custom-columns=REASON:.reason,MESSAGE:.message")
}

func (d *demo) refuse() error {
	manifest := `{"apiVersion": "gitlab.clusterops.dev/v1alpha1", "kind": "GitLabInstanceCluster", "metadata": {"name": "wrong"},
  "spec": {"gitlab": {"url": "` + d.GitLab + `/api/v4", "tokenSecretRef": {"name": "gitlab-admin"}}, "environmentScope": "review/#1",
    "kubernetes": {"apiURL": "https://k8s.example.com:6443", "tokenSecretRef": {"name": "gitlab-sa"}}}}`
	fmt.Printf("$ kubectl apply -f - <<< '%s'\n", manifest)
	command := d.kubectl("apply", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	output, err := command.CombinedOutput()
	fmt.Print(string(output))
	var exit *exec.ExitError
	switch {
	case err == nil:
		return errors.New("the wrong manifest was accepted")
	case !errors.As(err, &exit):
		return err
	case !strings.Contains(string(output), "spec.environmentScope") || !strings.Contains(string(output), "without /api/v4"):
		return errors.New("the refusal does not say what is wrong")
	}
	return nil
}

func (d *demo) remove() error {
	if err := d.show("delete", "glic", "--all", "--timeout="+patience.String()); err != nil {
		return err
	}
	return d.until("GitLab has no clusters", func() (bool, error) {
		body, err := d.request(http.MethodGet, "/api/v4/admin/clusters", "")
		return strings.TrimSpace(string(body)) == "[]", err
	})
}

// recorded is GitLab's cluster with the id that the object's status has.
func (d *demo) recorded(name string) (cluster, error) {
	id, err := d.kubectl("get", "glic", name, "-o=jsonpath={.status.clusterID}").Output()
	if err != nil {
		return cluster{}, err
	}
	body, err := d.request(http.MethodGet, "/api/v4/admin/clusters/"+string(id), "")
	if err != nil {
		return cluster{}, err
	}
	var have cluster
	return have, json.Unmarshal(body, &have)
}

// kubectl is a call of it against the demo's control plane.
func (d *demo) kubectl(args ...string) *exec.Cmd {
	command := exec.CommandContext(d.ctx, filepath.Join(d.assets, "kubectl"), args...)
	command.Dir = d.root
	command.Env = append(os.Environ(), "KUBECONFIG="+d.Kubeconfig)
	return command
}

// show calls kubectl as the reader would, and shows what it says.
func (d *demo) show(args ...string) error {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if strings.ContainsAny(arg, `{}" *`) {
			quoted[i] = "'" + arg + "'"
		}
	}
	fmt.Println("$ kubectl", strings.Join(quoted, " "))
	command := d.kubectl(args...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// until waits for what a step promises, and says it when it has come true.
func (d *demo) until(promise string, kept func() (bool, error)) error {
	var last error
	for began := time.Now(); time.Since(began) < patience; {
		ok, err := kept()
		if ok && err == nil {
			tell("%s (after %.1f s)", promise, time.Since(began).Seconds())
			return nil
		}
		last = err
		select {
		case <-d.ctx.Done():
			return d.ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.Join(fmt.Errorf("not true after %v: %s", patience, promise), last)
}

// request asks the simulated GitLab.
func (d *demo) request(method, path, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(d.ctx, method, d.GitLab+path, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+d.Token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	return answer, err
}

func tell(format string, args ...any) { fmt.Printf("→ "+format+"\n", args...) }
