// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/managed"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// connector reads the Secrets of an object through the manager's client, which caches them, as provider-template's
// does. Unlike most providers it keeps its HTTP clients.
type connector struct {
	kube    client.Client
	mu      sync.Mutex
	clients map[string]*gitlab.Client
}

func (c *connector) Connect(ctx context.Context, cr *InstanceCluster) (managed.TypedExternalClient[*InstanceCluster], error) {
	p := cr.Spec.ForProvider
	admin, own := &corev1.Secret{}, &corev1.Secret{}
	for name, secret := range map[string]*corev1.Secret{p.GitLabSecret: admin, p.Secret: own} {
		if err := c.kube.Get(ctx, client.ObjectKey{Namespace: cr.Namespace, Name: name}, secret); err != nil {
			return nil, fmt.Errorf("read a Secret: %w", err)
		}
	}
	api, err := c.client(p.GitLabURL, string(admin.Data["token"]))
	if err != nil {
		return nil, err
	}
	return &external{api: api, want: gitlab.Attributes{
		Name: cr.Name, EnvironmentScope: p.EnvironmentScope, Enabled: true, Managed: true, NamespacePerEnvironment: true,
		APIURL: p.APIURL, AuthorizationType: "rbac",
		Token: gitlab.NewToken(string(own.Data["token"])), CACert: string(own.Data["ca.crt"]),
	}}, nil
}

func (c *connector) client(url, token string) (*gitlab.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.clients[url+" "+token]; known != nil {
		return known, nil
	}
	made, err := gitlab.NewClient(gitlab.Options{URL: url, Token: gitlab.NewToken(token), Timeout: 30 * time.Second, UserAgent: "bench-crossplane"})
	if err != nil {
		return nil, err
	}
	c.clients[url+" "+token] = made
	return made, nil
}

// external reads one cluster by its id, the external name, in each pass.
type external struct {
	api  *gitlab.Client
	want gitlab.Attributes
}

func (e *external) Observe(ctx context.Context, cr *InstanceCluster) (managed.ExternalObservation, error) {
	id, err := strconv.ParseInt(meta.GetExternalName(cr), 10, 64)
	if err != nil {
		return managed.ExternalObservation{}, nil // not added yet
	}
	have, err := e.api.Get(ctx, id)
	var refusal *gitlab.Error
	if errors.As(err, &refusal) && refusal.Kind == gitlab.KindNotFound {
		return managed.ExternalObservation{}, nil
	}
	if err != nil {
		return managed.ExternalObservation{}, err
	}
	cr.Status.AtProvider = Observation{ID: have.ID, CreatedAt: have.CreatedAt}
	cr.SetConditions(xpv2.Available())
	return managed.ExternalObservation{ResourceExists: true, ResourceUpToDate: len(gitlab.Differences(e.want, have)) == 0}, nil
}

func (e *external) Create(ctx context.Context, cr *InstanceCluster) (managed.ExternalCreation, error) {
	cr.SetConditions(xpv2.Creating())
	made, err := e.api.Add(ctx, e.want)
	if err != nil {
		return managed.ExternalCreation{}, err
	}
	meta.SetExternalName(cr, strconv.FormatInt(made.ID, 10))
	return managed.ExternalCreation{}, nil
}

func (e *external) Update(ctx context.Context, cr *InstanceCluster) (managed.ExternalUpdate, error) {
	have, err := e.api.Get(ctx, cr.Status.AtProvider.ID)
	if err == nil {
		_, err = e.api.Edit(ctx, have.ID, e.want, gitlab.Differences(e.want, have))
	}
	return managed.ExternalUpdate{}, err
}

func (e *external) Delete(ctx context.Context, cr *InstanceCluster) (managed.ExternalDelete, error) {
	return managed.ExternalDelete{}, e.api.Delete(ctx, cr.Status.AtProvider.ID)
}

func (e *external) Disconnect(context.Context) error { return nil }
