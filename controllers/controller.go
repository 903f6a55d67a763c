// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers keeps each GitLabInstanceCluster and its cluster in GitLab equal. Data takes one way through
// it, a step a file: watch, controller, resolve, observe, decide, act, report.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/clusterops-dev/gitlab-instance-cluster-operator/api/v1alpha1"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/fleet"
	"github.com/clusterops-dev/gitlab-instance-cluster-operator/controllers/gitlab"
)

// +kubebuilder:rbac:groups=gitlab.clusterops.dev,resources=gitlabinstanceclusters,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=gitlab.clusterops.dev,resources=gitlabinstanceclusters/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// Options are the settings of a Reconciler.
type Options struct {
	// SyncInterval is how often GitLab is listed; stalled objects are looked at every six.
	SyncInterval time.Duration
	// CreateSettleTime is how long GitLab may take to commit an add whose answer was lost.
	CreateSettleTime time.Duration
	// MaxConcurrentReconciles is how many objects are worked on at once.
	MaxConcurrentReconciles int
}

// Reconciler makes GitLab have each object's cluster. Client reads objects from the cache; Live reads Secrets, and
// objects where the cache may be behind. Secrets watches the Secrets' metadata; it is not the cache of the objects,
// because that one is waited for. Events takes what happened: directly, because client-go's recorder keeps each event for
// minutes to count its repetitions, 1 kB for each object after many have been created. Here only a drift that comes back
// with every list would be counted.
type Reconciler struct {
	Client  client.Client
	Live    client.Reader
	Secrets cache.Cache
	Events  events.EventSink
	Fleet   *fleet.Fleet
	Options Options

	memory  *memory
	index   *objectIndex
	began   time.Time
	changes changes
}

// pass is one look at one object. It works on its own copy.
type pass struct {
	obj      *v1alpha1.GitLabInstanceCluster
	began    time.Time
	want     want
	recorded recorded
	memory   *recollection
	// user is the object's name at the fleet.
	user string
	// gitLabTokenSecret is <uid>/<key> of the Secret with GitLab's token.
	gitLabTokenSecret string
	// askedNow: a user edited the spec, or asked by annotation for GitLab to be looked at, and waits for what it does.
	askedNow bool
}

// Reconcile takes one object through one pass.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p, err := r.begin(ctx, req.NamespacedName)
	if p == nil || err != nil {
		return ctrl.Result{}, err
	}
	rep, err := r.run(ctx, p)
	if err != nil {
		return ctrl.Result{}, err
	}
	return r.finish(ctx, p, rep)
}

// begin reads the object, never older than the manager's last write to it. The pass is nil if there is none.
func (r *Reconciler) begin(ctx context.Context, name types.NamespacedName) (*pass, error) {
	p := &pass{obj: &v1alpha1.GitLabInstanceCluster{}, began: time.Now()}
	err := r.Client.Get(ctx, name, p.obj)
	if err == nil && r.memory.behind(p.obj.UID, p.obj.ResourceVersion) {
		if err = r.Live.Get(ctx, name, p.obj); err == nil {
			r.memory.wrote(p.obj.UID, p.obj.ResourceVersion)
		}
	}
	if apierrors.IsNotFound(err) {
		if uid := r.memory.drop(name); uid != "" {
			r.Fleet.Release(userOf(name, uid))
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the object: %w", err)
	}
	p.user = userOf(name, p.obj.UID)
	var earlier types.UID
	if p.memory, earlier = r.memory.of(name, p.obj.UID); earlier != "" {
		r.Fleet.Release(userOf(name, earlier))
	}
	r.noteReconcileAt(p)
	if p.memory.generation != 0 && p.memory.generation != p.obj.Generation {
		p.askedNow = true
	}
	p.memory.generation = p.obj.Generation
	return p, nil
}

// noteReconcileAt asks for a new list if the annotation has a value that was not acted on. The first pass of a process
// needs none: it lists anew in any case.
func (r *Reconciler) noteReconcileAt(p *pass) {
	at := p.obj.Annotations[v1alpha1.ReconcileAtAnnotation]
	first := !p.memory.seen
	p.memory.seen = true
	if at == p.memory.reconcileAt {
		return
	}
	p.memory.lookAfter = p.began
	if first && p.obj.Status.ClusterID != 0 {
		p.memory.lookAfter = r.began
	}
	p.memory.reconcileAt = at
	p.memory.stuck = nil
	p.askedNow = !first
}

// run takes the pass from the object to a report. Its error is Kubernetes' alone.
func (r *Reconciler) run(ctx context.Context, p *pass) (report, error) {
	var err error
	p.want = wantOf(p.obj)
	orphaned := p.want.Deleting && p.want.Deletion == v1alpha1.DeletionOrphan
	if p.recorded, err = recordedOf(p.obj); err != nil && !orphaned && !p.want.Suspended {
		return reporting(p.want, p.recorded, refused(&problem{v1alpha1.ReasonResolvingCreate, err.Error()})), nil
	}
	if p.recorded.ID != 0 && !p.recorded.Finalizer && !p.want.Deleting {
		if err := r.claim(ctx, p, nil); err != nil { // nothing is ours without it
			return r.failing(ctx, p, err)
		}
	}
	if d, ok := decideAlone(situation{Want: p.want, Recorded: p.recorded}); ok {
		if d.Verb == verbSuspend {
			r.Fleet.Release(p.user)
		}
		return reporting(p.want, p.recorded, result{Decision: d}), nil
	}
	if in := p.recorded.Intent; p.recorded.open() && p.memory.intent.attempt != in.Attempt {
		p.memory.intent = intentMemory{attempt: in.Attempt, since: p.began}
	}
	conn, err := r.connect(ctx, p)
	if err != nil {
		return r.failing(ctx, p, err)
	}
	if p.askedNow {
		conn.Reconsider()
	}
	o, err := r.observe(ctx, p, conn)
	if err != nil {
		return r.failing(ctx, p, err)
	}
	d := decide(situation{Want: p.want, Recorded: p.recorded, Observed: o, Stuck: p.memory.stuck})
	log.FromContext(ctx).V(1).Info("decided", "verb", d.Verb, "fields", specPaths(d.Fields), "reason", d.Reason)
	before := p.recorded
	res := r.act(ctx, p, conn, d, o)
	if res.Err != nil {
		log.FromContext(ctx).Info("not done", "verb", d.Verb, "cause", res.Err.Error())
		if res.Attempt == 0 && !reportable(ctx, res.Err) {
			return report{}, res.Err
		}
	}
	count(d, res)
	return reporting(p.want, before, res), nil
}

// failing reports what hindered the observation, or returns it if it is Kubernetes' matter.
func (r *Reconciler) failing(ctx context.Context, p *pass, err error) (report, error) {
	if !reportable(ctx, err) {
		return report{}, err
	}
	res := refused(err)
	if p.recorded.open() && !p.memory.intent.settled {
		res.Asked = p.recorded.Intent.GitLabURL
	}
	return reporting(p.want, p.recorded, res), nil
}

// refused is the result of a pass that got no further than err.
func refused(err error) result {
	return result{Decision: decision{Verb: verbAdd}, Err: err}
}

// reportable tells what the object's conditions say from what only the log and the retry are for: trouble with
// Kubernetes, and requests cut short because the manager ends.
func reportable(ctx context.Context, err error) bool {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return false
	}
	var (
		found *problem
		e     *gitlab.Error
		busy  *fleet.Busy
	)
	return errors.As(err, &found) || errors.As(err, &e) || errors.As(err, &busy) || errors.Is(err, errStale) ||
		errors.Is(err, errStillThere)
}

// connect reads the Secrets and chooses the connection: the spec's, or while the outcome of an add is open, one to the
// GitLab that the add was sent to.
func (r *Reconciler) connect(ctx context.Context, p *pass) (*fleet.Connection, error) {
	s := newSecrets(r.Live, p.obj.Namespace)
	var res resolution
	var err error
	if p.want.Deleting {
		res.Want = p.want
		res.Credentials, res.GitLabTokenSecret, err = r.connection(ctx, p.obj, s)
	} else {
		res, err = r.resolve(ctx, p.obj, s)
	}
	last := r.Fleet.Last(p.user)
	if err != nil {
		var found *problem
		// When a whole namespace is deleted the Secrets may go first: the connection still has its token.
		if p.want.Deleting && errors.As(err, &found) && last != nil {
			return last, nil
		}
		return nil, err
	}
	p.want, p.gitLabTokenSecret = res.Want, res.GitLabTokenSecret
	if in := p.recorded.Intent; p.recorded.asked(p.want, p.memory.intent.settled) != res.Credentials.URL {
		if last != nil && last.URL() == in.GitLabURL {
			return last, nil
		}
		if in.GitLabTokenSecret != res.GitLabTokenSecret {
			return nil, &problem{v1alpha1.ReasonResolvingCreate, fmt.Sprintf("a cluster may have been added at %s before "+
				"spec.gitlab changed, and the token now named is not sent there; set spec.gitlab.url and tokenSecretRef back "+
				"until the cluster is found", in.GitLabURL)}
		}
		res.Credentials.URL = in.GitLabURL
	}
	conn, err := r.Fleet.Use(p.user, res.Credentials)
	if err != nil {
		return nil, &problem{v1alpha1.ReasonInvalidSecret, "spec.gitlab: " + err.Error()}
	}
	return conn, nil
}
