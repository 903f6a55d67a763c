// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// perPage is GitLab's maximum.
	perPage = 100
	// maxPages ends a list that has no end: a million clusters.
	maxPages = 10000
)

// List returns every cluster of the instance, of every provider type, in the order of their ids.
func (c *Client) List(ctx context.Context) ([]Cluster, error) {
	var clusters []Cluster
	seen := map[int64]bool{}
	for page := 1; page != 0; {
		if page > 1 && c.options.BeforePage != nil {
			if err := c.options.BeforePage(ctx); err != nil {
				return nil, err
			}
		}
		u := *c.base
		u.RawQuery = "page=" + strconv.Itoa(page) + "&per_page=" + strconv.Itoa(perPage)
		request := call{method: http.MethodGet, endpoint: endpointList, url: &u, status: http.StatusOK}
		err := c.do(ctx, request, func(a answer) error {
			rows, err := decodeClusters(a.body)
			if err != nil {
				return err
			}
			known := len(clusters)
			for _, row := range rows {
				if !seen[row.ID] {
					seen[row.ID] = true
					clusters = append(clusters, row)
				}
			}
			next, err := nextPage(a.header, page, len(rows))
			if err == nil && next != 0 && len(clusters) == known {
				err = fmt.Errorf("page %d of the list promises another page but adds nothing to those before", page)
			}
			page = next
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return clusters, nil
}

// nextPage is the number of the page after this one, 0 after the last. The Link header would not do: its URLs are
// those of GitLab's external address, which need not be ours.
func nextPage(header http.Header, page, rows int) (int, error) {
	values, present := header["X-Next-Page"]
	if !present {
		// A proxy took it away: only a page that is not full is surely the last.
		if rows < perPage {
			return 0, nil
		}
		values = []string{strconv.Itoa(page + 1)}
	}
	text := strings.TrimSpace(values[0])
	if text == "" {
		return 0, nil
	}
	next, err := strconv.Atoi(text)
	if err != nil || next != page+1 {
		return 0, fmt.Errorf("page %d of the list names another page than %d as the next", page, page+1)
	}
	if next > maxPages {
		return 0, fmt.Errorf("the list has more than %d pages", maxPages)
	}
	return next, nil
}

// Get returns one cluster.
func (c *Client) Get(ctx context.Context, id int64) (Cluster, error) {
	var have Cluster
	err := c.do(ctx, call{method: http.MethodGet, endpoint: endpointGet, url: c.cluster(id), status: http.StatusOK},
		decodeInto(&have, id))
	return have, err
}

// Add adds a cluster. It is sent at most once, and unless the error is Refused it may have been added all the same.
func (c *Client) Add(ctx context.Context, want Attributes) (Cluster, error) {
	if want.Token.IsZero() {
		return Cluster{}, noToken(http.MethodPost, endpointAdd)
	}
	request := call{method: http.MethodPost, endpoint: endpointAdd, url: c.base.JoinPath("add"),
		status: http.StatusCreated, body: addBody(want), secrets: secretsOf(want)}
	var have Cluster
	err := c.do(ctx, request, decodeInto(&have, 0))
	return have, err
}

// Edit sets the fields of the cluster as want has them. FieldAuthorizationType is not sent, as GitLab ignores it.
func (c *Client) Edit(ctx context.Context, id int64, want Attributes, fields []Field) (Cluster, error) {
	body, err := editBody(want, fields)
	if err != nil {
		return Cluster{}, err
	}
	request := call{method: http.MethodPut, endpoint: endpointEdit, url: c.cluster(id),
		status: http.StatusOK, body: body, secrets: secretsOf(want)}
	var have Cluster
	err = c.do(ctx, request, decodeInto(&have, id))
	return have, err
}

// Delete removes the cluster from GitLab; nothing in the Kubernetes cluster is touched. GitLab answers a success
// whatever became of it, so whoever must be sure asks for the cluster again.
func (c *Client) Delete(ctx context.Context, id int64) error {
	return c.do(ctx, call{method: http.MethodDelete, endpoint: endpointDelete, url: c.cluster(id),
		status: http.StatusNoContent}, nil)
}

func (c *Client) cluster(id int64) *url.URL { return c.base.JoinPath(strconv.FormatInt(id, 10)) }

// decodeInto reads the answer into have, and insists that it is the cluster of that id, if it is not 0.
func decodeInto(have *Cluster, id int64) func(answer) error {
	return func(a answer) error {
		read, err := decodeCluster(a.body)
		if err != nil {
			return err
		}
		if id != 0 && read.ID != id {
			return errors.New("another cluster than the one asked for")
		}
		*have = read
		return nil
	}
}

func secretsOf(want Attributes) []secret {
	return []secret{secretToken(want.Token), secretCA(want.CACert)}
}

func noToken(method, endpoint string) *Error {
	return &Error{Kind: KindInvalid, Method: method, Endpoint: endpoint, Message: "not sent: there is no cluster token"}
}
