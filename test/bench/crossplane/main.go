// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Command crossplane is what the manager is compared with: a controller of GitLab's instance clusters on
// crossplane-runtime's managed reconciler, with its default poll interval, set up as provider-template is but for the
// limits on its rate, which it has none of.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/crossplane/crossplane-runtime/v2/pkg/event"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/managed"
	"github.com/crossplane/crossplane-runtime/v2/pkg/resource"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

func main() {
	concurrency := flag.Int("concurrency", 10, "objects worked on at once")
	flag.Parse() // --kubeconfig is controller-runtime's
	ctrl.SetLogger(logr.Discard())
	if err := run(*concurrency); err != nil {
		fmt.Fprintln(os.Stderr, "crossplane:", err)
		os.Exit(1)
	}
}

func run(concurrency int) error {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, builder.AddToScheme} {
		if err := add(types); err != nil {
			return err
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: types, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	gvk := group.WithKind("InstanceCluster")
	name := managed.ControllerName(gvk.GroupKind().String())
	reconciler := managed.NewReconciler(mgr, resource.ManagedKind(gvk),
		managed.WithTypedExternalConnector(&connector{kube: mgr.GetClient(), clients: map[string]*gitlab.Client{}}),
		managed.WithInitializers(), // GitLab gives the external name
		managed.WithRecorder(event.NewAPIRecorder(mgr.GetEventRecorderFor(name))))
	err = ctrl.NewControllerManagedBy(mgr).
		Named(name).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		WithEventFilter(resource.DesiredStateChanged()).
		For(&InstanceCluster{}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}
