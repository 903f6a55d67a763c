// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane tests how assets.sh chooses where kube-apiserver, etcd and kubectl come from.
package controlplane

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var binaries = []string{"kube-apiserver", "etcd", "kubectl"}

// outcome is what one run of assets.sh said.
type outcome struct {
	folder, messages string
	err              error
	took             time.Duration
}

// assets runs assets.sh for a folder, with nothing but these variables added to the environment.
func assets(t *testing.T, folder string, variables ...string) outcome {
	t.Helper()
	command := exec.Command("./assets.sh", folder)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KUBEBUILDER_ASSETS=") && !strings.HasPrefix(variable, "CONTROLPLANE_") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, variables...)
	var messages bytes.Buffer
	command.Stderr = &messages
	began := time.Now()
	printed, err := command.Output()
	return outcome{strings.TrimSpace(string(printed)), messages.String(), err, time.Since(began)}
}

// binariesSaying fills a folder with the three programs, each of which prints a word, and returns the folder.
func binariesSaying(t *testing.T, word string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range binaries {
		write(t, filepath.Join(folder, name), "#!/bin/sh\necho "+word+"\n")
	}
	return folder
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// builder returns a command in place of the build, whose programs say "built".
func builder(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "build")
	write(t, path, fmt.Sprintf("#!/bin/sh\ncp %s/* \"$1\"\n", binariesSaying(t, "built")))
	return path
}

// expectFrom checks that all three programs are in the folder that was printed, and where they come from.
func expectFrom(t *testing.T, got outcome, folder, word string) {
	t.Helper()
	if got.err != nil {
		t.Fatalf("%v: %s", got.err, got.messages)
	}
	if got.folder != folder {
		t.Errorf("the folder is %s, want %s", got.folder, folder)
	}
	for _, name := range binaries {
		said, err := exec.Command(filepath.Join(got.folder, name)).Output()
		if err != nil || strings.TrimSpace(string(said)) != word {
			t.Errorf("%s says %q (%v), want %q", name, said, err, word)
		}
	}
}

// index serves an index with one archive, whose programs say "downloaded", and counts the requests.
func index(t *testing.T, breakHash bool) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	archive := packed(t, binariesSaying(t, "downloaded"))
	sum := sha512.Sum512(archive)
	if breakHash {
		sum[0]++
	}
	name := fmt.Sprintf("envtest-v1.37.0-%s-%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path == "/"+name {
			_, _ = w.Write(archive)
			return
		}
		fmt.Fprintf(w, "releases:\n  v1.37.0:\n    %s:\n      hash: %s\n      selfLink: %s/%s\n",
			name, hex.EncodeToString(sum[:]), server.URL, name)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/index.yaml", requests
}

func packed(t *testing.T, folder string) []byte {
	t.Helper()
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	files := tar.NewWriter(compressed)
	for _, name := range binaries {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := files.WriteHeader(&tar.Header{Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func TestAssetsThatAreGivenWin(t *testing.T) {
	given, folder := binariesSaying(t, "given"), t.TempDir()
	url, requests := index(t, false)
	got := assets(t, folder, "KUBEBUILDER_ASSETS="+given, "CONTROLPLANE_INDEX="+url, "CONTROLPLANE_BUILD="+builder(t))
	expectFrom(t, got, given, "given")
	if requests.Load() != 0 {
		t.Errorf("the index was asked %d times", requests.Load())
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("the folder holds %v (%v), want nothing", left, err)
	}
}

func TestAssetsThatAreGivenMustBeComplete(t *testing.T) {
	given := binariesSaying(t, "given")
	if err := os.Remove(filepath.Join(given, "etcd")); err != nil {
		t.Fatal(err)
	}
	got := assets(t, t.TempDir(), "KUBEBUILDER_ASSETS="+given, "CONTROLPLANE_BUILD="+builder(t))
	if got.err == nil || !strings.Contains(got.messages, given) {
		t.Errorf("got %v, %q; want an error that names %s", got.err, got.messages, given)
	}
}

func TestAssetsAreDownloadedOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	url, requests := index(t, false)
	variables := []string{"CONTROLPLANE_INDEX=" + url, "CONTROLPLANE_BUILD=" + builder(t)}
	expectFrom(t, assets(t, folder, variables...), folder, "downloaded")

	before := requests.Load()
	again := assets(t, folder, variables...)
	expectFrom(t, again, folder, "downloaded")
	if requests.Load() != before || again.messages != "" {
		t.Errorf("the second time %d requests were made and %q said", requests.Load()-before, again.messages)
	}
}

func TestAssetsAreNotDownloadedFromAnArchiveThatIsNotTheIndexs(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	url, _ := index(t, true)
	got := assets(t, folder, "CONTROLPLANE_INDEX="+url, "CONTROLPLANE_BUILD="+builder(t))
	expectFrom(t, got, folder, "built")
}

func TestAssetsAreBuiltWhereNoIndexCanBeReached(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	deaf := "http://" + listener.Addr().String() // accepts, and never answers
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, url := range map[string]string{"refused": closed.URL, "unanswered": deaf} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			got := assets(t, folder, "CONTROLPLANE_INDEX="+url, "CONTROLPLANE_BUILD="+builder(t))
			expectFrom(t, got, folder, "built")
			if !strings.Contains(got.messages, "no prebuilt control plane can be had from here") {
				t.Errorf("it says %q", got.messages)
			}
			if got.took > 30*time.Second {
				t.Errorf("it took %s to give up", got.took)
			}
		})
	}
}

func TestAssetsAreBuiltAtOnceWithoutAnIndex(t *testing.T) {
	folder := t.TempDir()
	got := assets(t, folder, "CONTROLPLANE_INDEX=", "CONTROLPLANE_BUILD="+builder(t))
	expectFrom(t, got, folder, "built")
	if got.messages != "" {
		t.Errorf("it says %q, want nothing", got.messages)
	}
}

func TestAssetsFailWhenTheBuildYieldsTooLittle(t *testing.T) {
	got := assets(t, t.TempDir(), "CONTROLPLANE_INDEX=", "CONTROLPLANE_BUILD=/bin/true")
	if got.err == nil || got.folder != "" {
		t.Errorf("got folder %q, error %v", got.folder, got.err)
	}
}

// The archives above are of one minor version of Kubernetes, which must be the pinned one.
func TestIndexOfThisTestIsOfThePinnedVersion(t *testing.T) {
	content, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), "\tk8s.io/kubernetes v1.37.") {
		t.Error("go.mod pins another Kubernetes than v1.37: change the archives of this test too")
	}
}
