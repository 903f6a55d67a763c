// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func noEnvironment(string) string { return "" }

func TestRefusesBadFlagsInOneLine(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "set --token or GITLAB_SIM_TOKEN"},
		{[]string{"--token", "x", "--nope"}, "-nope"},
		{[]string{"--token", "x", "extra"}, `"extra"`},
		{[]string{"--token", "x", "--latency", "fast"}, "latency"},
		{[]string{"--token", "x", "--latency", "-1s"}, "--latency"},
		{[]string{"--token", "x", "--rate-limit", "-1"}, "--rate-limit"},
		{[]string{"--token", "x", "--rate-period", "1500ms"}, "--rate-period"},
		{[]string{"--token", "x", "--listen", "nowhere"}, "--listen"},
		{[]string{"--token", "x", "--external-url", "gitlab.example.com"}, "--external-url"},
		{[]string{"--token", "x", "--base-path", "/a?b"}, "--base-path"},
		{[]string{"--token", "x", "--journal-size", "0"}, "--journal-size"},
		{[]string{"--token", "x", "--host", "name"}, "name=address"},
		{[]string{"--token", "x", "--project", "p"}, "id"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), test.args, noEnvironment, &out, &errs); code != 2 {
			t.Errorf("%v: exit code %d", test.args, code)
		}
		text := errs.String()
		if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "gitlab-sim: ") || !strings.Contains(text, test.want) || out.Len() > 0 {
			t.Errorf("%v: %q %q", test.args, text, out.String())
		}
	}
}

func TestShowsItsFlags(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, noEnvironment, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
	for _, name := range []string{"-listen", "-token", "-feature", "-latency", "-rate-limit", "-tls-dir", "-base-path", "GITLAB_SIM_TOKEN"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("no %s in the help", name)
		}
	}
}

func TestSaysThatItCanNotListen(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"--token", "x", "--listen", "256.0.0.1:1"}, noEnvironment, &out, &errs)
	if code != 1 || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
}

// started runs gitlab-sim until the test ends and returns its URL and a wait for its exit code after a stop.
func started(t *testing.T, env func(string) string, args ...string) (string, func() int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, append(args, "--listen", "127.0.0.1:0"), env, writer, os.Stderr)
		_ = writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "gitlab-sim listens at ")
	if !ok {
		t.Fatalf("it says %q", line)
	}
	once := false
	end := func() int {
		if once {
			return 0
		}
		once = true
		stop()
		select {
		case code := <-exit:
			return code
		case <-time.After(10 * time.Second):
			t.Error("it does not end")
			return -1
		}
	}
	t.Cleanup(func() { end() })
	return url, end
}

func get(t *testing.T, client *http.Client, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Private-Token", token)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestServesWithTheFlagsGiven(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	env := func(name string) string { return map[string]string{"GITLAB_SIM_TOKEN": "from-environment"}[name] }
	url, end := started(t, env, "--tls-dir", dir, "--tls-host", "gitlab.example.com", "--base-path", "/gitlab",
		"--read-token", "reader", "--user-token", "user", "--rate-limit", "3", "--project", "42=infra/management",
		"--host", "inside.example.com=10.0.0.1", "--gitlab-version", "17.0.0")
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	if !strings.HasPrefix(url, "https://") || !strings.HasSuffix(url, "/gitlab") {
		t.Errorf("it listens at %s", url)
	}
	list := url + "/api/v4/admin/clusters"
	if status, text := get(t, client, list, "from-environment"); status != 200 || text != "[]" {
		t.Errorf("the administrator: %d %s", status, text)
	}
	if status, _ := get(t, client, list, "reader"); status != 200 {
		t.Errorf("the reader: %d", status)
	}
	if status, _ := get(t, client, list, "user"); status != 403 {
		t.Errorf("the user: %d", status)
	}
	if _, text := get(t, client, url+"/api/v4/version", "reader"); !strings.Contains(text, "17.0.0") {
		t.Errorf("version: %s", text)
	}
	if status, _ := get(t, client, list, "from-environment"); status != 429 {
		t.Errorf("one too many: %d", status)
	}
	if code := end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStartsWithTheFeatureOff(t *testing.T) {
	url, _ := started(t, noEnvironment, "--token", "x", "--feature=false")
	if status, text := get(t, http.DefaultClient, url+"/api/v4/admin/clusters", "x"); status != 404 || text != `{"message":"404 Not Found"}` {
		t.Errorf("%d %s", status, text)
	}
}
