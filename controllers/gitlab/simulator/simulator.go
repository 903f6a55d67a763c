// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Options says what the GitLab is like at its start. The zero value is a new one with the feature flag on and the
// strict network rules of a fresh installation, but without anybody who may use it.
type Options struct {
	// Token is the value of a token of the administrator root with the scopes api and admin_mode; "" for none.
	Token string
	// ExternalURL is what GitLab believes its own address to be, with its relative path. Link headers and web_url are
	// made from it. "" means the address of its server, or else the one that the client used.
	ExternalURL string
	// BasePath is the path of a relative URL installation, for instance /gitlab.
	BasePath string
	// Version is answered by /version. "" means a recent one.
	Version string
	// FeatureDisabled starts with the flag certificate_based_clusters off, as GitLab 15.0 and later do.
	FeatureDisabled bool
	// AdminMode demands the scope admin_mode of administrators' tokens.
	AdminMode bool
	// IgnoreManagedOnEdit is GitLab up to 13.6, whose PUT did not know managed.
	IgnoreManagedOnEdit bool
	// Outbound is the administrator's rule for addresses that GitLab may be told to call.
	Outbound Outbound
	// Hosts are the names that resolve, and to what. Nothing is ever asked of the real DNS; localhost is always known.
	Hosts map[string][]netip.Addr
	// RateLimit is the authenticated API throttle; off by default as in GitLab.
	RateLimit RateLimit
	// Latency is waited before each request is handled.
	Latency time.Duration
	// Zone is that of created_at; nil means UTC, written as Z. Others are written as a numeric offset.
	Zone *time.Location
	// JournalSize bounds the entries kept; 0 means 100,000. Counts are not bounded.
	JournalSize int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Outbound is which addresses an api_url may have.
type Outbound struct {
	// AllowLocal is allow_local_requests_from_web_hooks_and_services.
	AllowLocal bool
	// DenyAll is deny_all_requests_except_allowed.
	DenyAll bool
	// Allowlist holds host names, IP addresses and CIDR ranges that are always allowed.
	Allowlist []string
}

// Simulator is the GitLab; an http.Handler that is safe for concurrent use.
type Simulator struct {
	options  Options
	journal  *journal
	faults   *faults
	controls *http.ServeMux
	closed   chan struct{}

	// mu guards everything below; it is held while a request is handled, so that requests have an order.
	mu       sync.Mutex
	clusters *store
	projects map[int64]Project
	tokens   map[string]*Token
	users    map[int64]User
	hosts    map[string][]netip.Addr
	windows  map[int64]*window
	switches switches
}

// switches are what can be changed while it runs.
type switches struct {
	externalURL string
	feature     bool
	removed     bool
	adminMode   bool
	readOnly    bool
	maintenance bool
	oldEdit     bool
	outbound    Outbound
	limit       RateLimit
	latency     time.Duration
}

// New returns a GitLab without clusters.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Version == "" {
		o.Version = "19.2.1"
	}
	if o.JournalSize == 0 {
		o.JournalSize = 100_000
	}
	o.BasePath = strings.TrimRight(o.BasePath, "/")
	if o.BasePath != "" && o.BasePath[0] != '/' {
		o.BasePath = "/" + o.BasePath
	}
	s := &Simulator{
		options:  o,
		journal:  newJournal(o.JournalSize),
		faults:   &faults{},
		closed:   make(chan struct{}),
		clusters: newStore(),
		projects: map[int64]Project{},
		tokens:   map[string]*Token{},
		users:    map[int64]User{},
		hosts:    map[string][]netip.Addr{"localhost": {netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}},
		windows:  map[int64]*window{},
		switches: switches{
			externalURL: strings.TrimRight(o.ExternalURL, "/"),
			feature:     !o.FeatureDisabled,
			adminMode:   o.AdminMode,
			oldEdit:     o.IgnoreManagedOnEdit,
			outbound:    o.Outbound,
			limit:       o.RateLimit,
			latency:     o.Latency,
		},
	}
	s.controls = s.newControls()
	for name, addresses := range o.Hosts {
		s.SetHost(name, addresses...)
	}
	if o.Token != "" {
		s.SetToken(Token{Value: o.Token, Name: "admin", User: Root(), Scopes: []string{"api", "admin_mode"}})
	}
	return s
}

// Close lets go of every request that a fault holds and makes later holds and delays return at once.
func (s *Simulator) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
}

// SetFeature switches the feature flag certificate_based_clusters.
func (s *Simulator) SetFeature(on bool) { s.set(func(w *switches) { w.feature = on }) }

// SetAPIRemoved makes this a GitLab without the clusters API: one before 13.2 or after its removal.
func (s *Simulator) SetAPIRemoved(removed bool) { s.set(func(w *switches) { w.removed = removed }) }

// SetAdminMode switches whether administrators' tokens need the scope admin_mode.
func (s *Simulator) SetAdminMode(on bool) { s.set(func(w *switches) { w.adminMode = on }) }

// SetReadOnly makes this a Geo secondary, or one whose database only reads.
func (s *Simulator) SetReadOnly(on bool) { s.set(func(w *switches) { w.readOnly = on }) }

// SetMaintenance switches maintenance mode, which refuses writes.
func (s *Simulator) SetMaintenance(on bool) { s.set(func(w *switches) { w.maintenance = on }) }

// SetOutbound replaces the rule for addresses.
func (s *Simulator) SetOutbound(o Outbound) { s.set(func(w *switches) { w.outbound = o }) }

// SetLatency replaces what is waited before each request is handled.
func (s *Simulator) SetLatency(d time.Duration) { s.set(func(w *switches) { w.latency = d }) }

// SetRateLimit replaces the throttle; the windows begin anew.
func (s *Simulator) SetRateLimit(l RateLimit) {
	s.set(func(w *switches) { w.limit = l; clear(s.windows) })
}

// SetHost makes a name resolve; without addresses it no longer does.
func (s *Simulator) SetHost(name string, addresses ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(addresses) == 0 {
		delete(s.hosts, strings.ToLower(name))
		return
	}
	plain := make([]netip.Addr, 0, len(addresses))
	for _, a := range addresses {
		plain = append(plain, a.Unmap())
	}
	s.hosts[strings.ToLower(name)] = plain
}

func (s *Simulator) set(change func(*switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.switches)
}

func (s *Simulator) current() switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switches
}

var _ http.Handler = (*Simulator)(nil)
