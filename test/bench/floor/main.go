// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Command floor makes the writes of an add with no controller around them: the least time that the same work takes on
// the same machine. It reads the names of objects from its standard input and for each reads the two Secrets, patches
// finalizer and intent, adds the cluster, and patches the status.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
)

func main() {
	namespace := flag.String("namespace", "", "of the objects")
	gitLab := flag.String("gitlab", "", "URL")
	concurrency := flag.Int("concurrency", 10, "objects worked on at once")
	flag.Parse() // --kubeconfig is controller-runtime's
	if err := run(*namespace, *gitLab, *concurrency); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(namespace, gitLab string, concurrency int) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1
	kube, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = concurrency
	l := &loop{kube: kube, http: &http.Client{Transport: transport}, namespace: namespace, gitLab: gitLab}

	names := make(chan string)
	failures := make(chan error, concurrency)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for name := range names {
				if err := l.add(context.Background(), name); err != nil {
					failures <- fmt.Errorf("%s: %w", name, err)
					return
				}
			}
		})
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			names <- lines.Text()
		}
		close(names)
		workers.Wait()
		failures <- lines.Err()
	}()
	return <-failures
}

type loop struct {
	kube      client.Client
	http      *http.Client
	namespace string
	gitLab    string
}

func (l *loop) add(ctx context.Context, name string) error {
	var admin, own corev1.Secret
	if err := l.kube.Get(ctx, client.ObjectKey{Namespace: l.namespace, Name: "gitlab-admin"}, &admin); err != nil {
		return err
	}
	if err := l.kube.Get(ctx, client.ObjectKey{Namespace: l.namespace, Name: name}, &own); err != nil {
		return err
	}
	version := fmt.Sprintf("%s/%s/token", own.UID, own.ResourceVersion)
	scope, apiURL := name+"/*", "https://k8s.example.com:6443"
	intent, err := json.Marshal(map[string]any{"attempt": 1, "gitlabURL": l.gitLab, "scope": scope, "name": name,
		"apiURL": apiURL, "tokenSecretVersion": version, "gitlabTokenSecret": string(admin.UID) + "/token", "highestID": 0})
	if err != nil {
		return err
	}
	obj := &v1alpha1.GitLabInstanceCluster{}
	obj.Namespace, obj.Name = l.namespace, name
	claim := map[string]any{"metadata": map[string]any{"finalizers": []string{v1alpha1.Finalizer},
		"annotations": map[string]string{v1alpha1.CreateIntentAnnotation: string(intent)}}}
	if err := l.kube.Patch(ctx, obj, merge(claim)); err != nil {
		return err
	}
	made, err := l.post(ctx, string(admin.Data["token"]), map[string]any{
		"name": name, "environment_scope": scope, "enabled": true, "managed": true, "namespace_per_environment": true,
		"platform_kubernetes_attributes": map[string]any{"api_url": apiURL, "token": string(own.Data["token"]),
			"ca_cert": strings.TrimSpace(string(own.Data["ca.crt"])), "authorization_type": "rbac"}})
	if err != nil {
		return err
	}
	status := map[string]any{"status": map[string]any{
		"observedGeneration": obj.Generation, "clusterID": made.ID, "clusterCreatedAt": made.CreatedAt, "gitlabURL": l.gitLab,
		"clusterURL": fmt.Sprintf("%s/admin/clusters/%d", l.gitLab, made.ID), "tokenSecretVersion": version,
		"conditions": []any{map[string]any{"type": v1alpha1.ConditionReady, "status": "True", "reason": v1alpha1.ReasonSynced,
			"message": "GitLab has the cluster as the spec says", "observedGeneration": obj.Generation,
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}}}}
	return l.kube.Status().Patch(ctx, obj, merge(status))
}

type cluster struct {
	ID        int64  `json:"id"`
	CreatedAt string `json:"created_at"`
}

func (l *loop) post(ctx context.Context, token string, attributes map[string]any) (made cluster, err error) {
	body, err := json.Marshal(attributes)
	if err != nil {
		return made, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.gitLab+"/api/v4/admin/clusters/add", bytes.NewReader(body))
	if err != nil {
		return made, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := l.http.Do(request)
	if err != nil {
		return made, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return made, fmt.Errorf("GitLab answered %s", response.Status)
	}
	return made, json.NewDecoder(response.Body).Decode(&made)
}

func merge(patch map[string]any) client.Patch {
	text, err := json.Marshal(patch)
	if err != nil {
		panic(err) // maps of strings and integers always marshal
	}
	return client.RawPatch(types.MergePatchType, text)
}
