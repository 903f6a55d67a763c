// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager runs the controller of GitLabInstanceCluster.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	eventsv1 "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
)

// version is set by the build.
var version = "dev"

// shutdownGrace is how long passes may go on after SIGTERM: an add, its record and its event take 42 seconds at most.
const shutdownGrace = 45 * time.Second

// gcPercent is how much the heap may grow between two collections, in percent of what is alive, unless the environment
// variable GOGC says otherwise. Most of what is alive is the cache, which lives long: less than Go's 100 saves memory in
// proportion to the number of objects, and costs CPU time only while many of them change.
const gcPercent = 30

func main() {
	f, err := parseFlags(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(2)
	case f.version:
		fmt.Println(version)
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	goruntime.MemProfileRate = 0 // nothing serves the profile, whose records take 2 MB
	logger := newLogger(f.zap)
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	if err := run(ctrl.SetupSignalHandler(), f); err != nil {
		logger.Error(err, "the manager stops")
		os.Exit(1)
	}
}

// mostVerbose is the most detailed level of the log. From 8 on, client-go writes whole answers of the API server, and
// with them the Secrets that the manager reads.
const mostVerbose = zapcore.Level(-7)

// newLogger returns the manager's logger, which no --zap-log-level makes more verbose than mostVerbose.
func newLogger(options zap.Options) logr.Logger {
	if asked := options.Level; asked != nil {
		options.Level = uberzap.LevelEnablerFunc(func(level zapcore.Level) bool {
			return level >= mostVerbose && asked.Enabled(level)
		})
	}
	return zap.New(zap.UseFlagOptions(&options))
}

// run serves until ctx is done.
func run(ctx context.Context, f *flags) error {
	log := ctrl.Log.WithName("manager")
	log.Info("starting", "version", version)
	if roots, err := x509.SystemCertPool(); err != nil || roots.Equal(x509.NewCertPool()) {
		log.Info("the system has no CA certificates: only GitLabs with spec.gitlab.caSecretRef can be verified")
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	mgr, err := ctrl.NewManager(unthrottled(restConfig), managerOptions(f))
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := setUp(mgr, f); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// unthrottled is the access that config has, at a pace that the API server's own priority and fairness sets.
func unthrottled(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS, config.RateLimiter = -1, nil
	config.UserAgent = "gitlab-instance-cluster-operator/" + version
	return config
}

func managerOptions(f *flags) ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the types are compiled in
		}
	}
	grace := shutdownGrace
	options := ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cacheOptions(f),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		HealthProbeBindAddress:        f.healthAddress,
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddress, SecureServing: f.metricsSecure},
		GracefulShutdownTimeout:       &grace,
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              f.leaderID,
		LeaderElectionNamespace:       f.leaderNamespace,
		LeaderElectionReleaseOnCancel: true,
	}
	if f.metricsSecure {
		options.Metrics.FilterProvider = readersOnly
		options.Metrics.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }}
	}
	return options
}

// setUp wires the fleet to the controller.
func setUp(mgr manager.Manager, f *flags) error {
	secrets, err := newSecrets(mgr, f)
	if err != nil {
		return fmt.Errorf("set up the watch of Secrets: %w", err)
	}
	if err := mgr.Add(secrets); err != nil {
		return err
	}
	eventsClient, err := eventsv1.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("set up the client for events: %w", err)
	}
	reconciler := &controllers.Reconciler{
		Client:  mgr.GetClient(),
		Live:    mgr.GetAPIReader(),
		Secrets: secrets,
		Events:  &events.EventSinkImpl{Interface: eventsClient},
		Options: controllers.Options{SyncInterval: f.syncInterval, CreateSettleTime: f.createSettleTime,
			MaxConcurrentReconciles: f.maxConcurrent},
	}
	reconciler.Fleet = fleet.New(fleet.Options{
		SyncInterval: f.syncInterval,
		Timeout:      f.gitlabTimeout,
		QPS:          f.gitlabQPS,
		Burst:        f.gitlabBurst,
		UserAgent:    "gitlab-instance-cluster-operator/" + version,
		Log:          ctrl.Log.WithName("gitlab"),
		Changed:      reconciler.Changed,
		Observe:      controllers.ObserveExchange,
		Refreshed:    controllers.ObserveRefresh,
	})
	if err := mgr.Add(manager.RunnableFunc(reconciler.Fleet.Start)); err != nil {
		return err
	}
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := controllers.RegisterResources(mgr.GetClient()); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.AddReadyzCheck("ping", healthz.Ping)
}
