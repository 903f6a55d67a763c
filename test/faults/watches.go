// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"net/http"
)

// Freeze lets nothing more through of any watch of a resource, now and later, without closing it.
func (p *Proxy) Freeze(resource string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen[resource] == nil {
		p.frozen[resource] = make(chan struct{})
	}
}

// Thaw lets the watches go on, with all that came meanwhile.
func (p *Proxy) Thaw(resource string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if gate := p.frozen[resource]; gate != nil {
		close(gate)
		delete(p.frozen, resource)
	}
}

// CutWatches ends the connections of all watches, of a resource or, for "", of all, and returns how many there were.
func (p *Proxy) CutWatches(resource string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := 0
	for _, w := range p.watches {
		if resource == "" || w.resource == resource {
			w.cut()
			cut++
		}
	}
	return cut
}

// noteWatch remembers a watch until the returned function is called.
func (p *Proxy) noteWatch(r *http.Request, resource string, cut context.CancelFunc) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches[r] = watch{resource, cut}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watches, r)
	}
}

// stream copies a watch until either side ends it.
func (p *Proxy) stream(ctx context.Context, w http.ResponseWriter, response *http.Response, resource string) {
	writeHeader(w, response)
	control := http.NewResponseController(w)
	_ = control.Flush()
	buffer := make([]byte, 32<<10)
	for {
		n, err := response.Body.Read(buffer)
		p.mu.Lock()
		gate := p.frozen[resource]
		p.mu.Unlock()
		if gate != nil {
			select {
			case <-gate:
			case <-ctx.Done():
				return
			}
		}
		if _, writeErr := w.Write(buffer[:n]); writeErr != nil || err != nil || control.Flush() != nil {
			return
		}
	}
}
