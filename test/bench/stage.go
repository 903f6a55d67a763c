// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/test/controlplane"
)

const (
	apiURL     = "https://k8s.example.com:6443"
	adminToken = "bench-admin-token"
	// creators is how many Secrets and objects are created at once.
	creators = 10
)

// run is one contestant with one number of objects, on a control plane and a GitLab of its own. It is the
// controlplane.T of what it starts: a failure there ends the run.
type run struct {
	ctx         context.Context
	root, dir   string
	m           measurement
	idle, drift bool

	cp         *controlplane.ControlPlane
	kube       client.Client // the user who creates objects
	namespace  string
	user       string // the contestant's, in the audit log
	kubeconfig string
	gitLab     string
	contestant *process
	simulator  *process
	cleanups   []func()
}

// failure is what Fatalf panics with.
type failure struct{ error }

func (r *run) Helper()                           {}
func (r *run) Logf(format string, args ...any)   { fmt.Printf(format+"\n", args...) }
func (r *run) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (r *run) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }
func (r *run) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *run) TempDir() string                   { return r.dir }

// measure sets the stage, takes the contestant through all phases, and clears the stage whatever happened.
func (r *run) measure() (err error) {
	defer func() {
		switch caught := recover().(type) {
		case nil:
		case failure:
			err = errors.Join(err, caught.error)
		default:
			panic(caught)
		}
	}()
	defer func() {
		for i := len(r.cleanups) - 1; i >= 0; i-- {
			r.cleanups[i]()
		}
	}()
	if err := r.setUp(); err != nil {
		return err
	}
	return r.phases()
}

func (r *run) setUp() (err error) {
	if r.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	r.Cleanup(func() { _ = os.RemoveAll(r.dir) })
	r.say("starting the control plane")
	if r.cp, err = controlplane.Start(); err != nil {
		return err
	}
	r.Cleanup(func() {
		if err := r.cp.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the control plane:", err)
		}
	})
	config := rest.CopyConfig(r.cp.Config)
	config.QPS = -1
	if r.kube, err = client.New(config, client.Options{Scheme: r.cp.Client.Scheme()}); err != nil {
		return err
	}
	r.namespace = r.cp.Namespace(r)
	if r.m.Contestant == crossplane {
		if err := r.installCRD(); err != nil {
			return err
		}
	}
	r.access()
	address := controlplane.FreeAddress(r)
	r.gitLab = "http://" + address
	r.simulator, err = start(r.dir, filepath.Join(r.root, "bin", "gitlab-sim"), "--listen="+address, "--token="+adminToken,
		"--allow-local-requests", "--latency="+r.m.Latency.String())
	if err != nil {
		return err
	}
	r.Cleanup(r.simulator.stop)
	if err := r.await("the simulated GitLab", func(context.Context) (bool, error) {
		_, err := r.counts()
		return err == nil, r.simulator.died()
	}); err != nil {
		return err
	}
	return r.createSecrets()
}

// createSecrets creates GitLab's Secret and one for each object, with a token of its own and a CA.
func (r *run) createSecrets() error {
	ca, err := certificate()
	if err != nil {
		return err
	}
	admin := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "gitlab-admin"}, Data: map[string][]byte{"token": []byte(adminToken)}}
	if err := r.kube.Create(r.ctx, admin); err != nil {
		return err
	}
	return r.createAll("Secrets", func(i int) error {
		return r.kube.Create(r.ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: objectName(i)},
			Data:       map[string][]byte{"token": fmt.Appendf(nil, "bench-cluster-token-%06d", i), "ca.crt": ca},
		})
	})
}

func objectName(i int) string { return fmt.Sprintf("cluster-%06d", i) }

// createAll calls create for each number below N, creators at a time, and shows how far it is.
func (r *run) createAll(what string, create func(i int) error) error {
	numbers, failures := make(chan int), make(chan error, creators)
	var workers sync.WaitGroup
	for range creators {
		workers.Go(func() {
			for i := range numbers {
				if err := create(i); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	defer workers.Wait()
	defer close(numbers)
	shown := time.Now()
	for i := range r.m.N {
		select {
		case numbers <- i:
		case err := <-failures:
			return fmt.Errorf("create %s: %w", what, err)
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
		if time.Since(shown) > 2*time.Second {
			shown = time.Now()
			r.say("%s: %d of %d created", what, i, r.m.N)
		}
	}
	return nil
}

// certificate is a CA certificate of the size that clusters have, about 1.8 kB of PEM.
var certificate = sync.OnceValues(func() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now(), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
})

// await returns when holds does, or after a minute with an error.
func (r *run) await(what string, holds func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ok, err := holds(ctx); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-ticker.C:
		}
	}
}

// say shows progress.
func (r *run) say(format string, args ...any) {
	fmt.Printf("  %s\n", strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}
