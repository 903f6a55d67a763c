// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import "net/http"

func (s *Simulator) control(w http.ResponseWriter, r *http.Request) bool { return false }
