// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulator is a GitLab that has only its instance clusters API (/api/v4/admin/clusters) and the few endpoints
// that clients ask beside it: /user, /version, /metadata, /personal_access_tokens/self and the feature flag. It checks,
// coerces, normalises, refuses and answers as GitLab's own source does, to the letter of its messages, so that a client
// that works here works there. It knows nothing of who its clients are.
//
// # Use in a test
//
//	sim := simulator.New(simulator.Options{Token: "an administrator's token"})
//	server, err := simulator.NewServer(sim, simulator.ServerOptions{}) // or mount sim, an http.Handler
//	defer server.Close()
//	client := newClient(server.URL, "an administrator's token")
//
// State is seeded and looked at without requests: Seed, Clusters, Cluster, EditOutOfBand, DeleteOutOfBand, AddProject,
// RemoveProject, SetToken, RevokeToken. A Cluster here includes its token, which no answer ever does. Switches stand for
// what an administrator may change or suffer: SetFeature, SetAPIRemoved, SetAdminMode, SetReadOnly, SetMaintenance,
// SetRateLimit, SetOutbound, SetHost, SetLatency.
//
// # Journal
//
// Every request but those of the control paths is written down at its arrival and again at its end: Journal, Writes,
// Count, Counts, ResetJournal, and Wait, which needs no sleeping. Credentials are left out; bodies are as sent.
//
// # Faults
//
// Inject arranges that requests go wrong at a named point; the handle it returns counts the hits, waits for them and
// releases what is held:
//
//	lost := sim.Inject(simulator.Fault{Method: "POST", Times: 1, Point: simulator.AfterHandling, Drop: simulator.DropReset})
//	held := sim.Inject(simulator.Fault{Endpoint: "list", Hold: true})
//	late := sim.Inject(simulator.Fault{Endpoint: "add", Times: 1, Drop: simulator.DropClose, Late: true, Hold: true})
//	down := sim.Inject(simulator.Fault{Answer: &simulator.Answer{Status: 502, Body: simulator.BadGatewayPage}})
//
// lost commits and says nothing; held answers after held.Release(); late loses its connection at once and commits at
// late.Release(); down answers every request like a proxy whose GitLab is starting, until down.Remove().
//
// # Other processes
//
// Tools beside the client look inside through paths that GitLab does not have, below /-/simulator: see control.go.
package simulator
