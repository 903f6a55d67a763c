#!/usr/bin/env bash
# Runs all tests with the race detector. The Makefile sets the variables; so can you:
# TEST (packages), TEST_PARALLEL (packages at once), TEST_TIMEOUT (for each package).
set -euo pipefail
cd "$(dirname "$0")/.."

KUBEBUILDER_ASSETS=$(hack/controlplane/assets.sh bin/k8s)
export KUBEBUILDER_ASSETS
if [ -d cmd/manager ]; then
	mkdir -p bin/test
	go build -race -o bin/test/manager ./cmd/manager
	export TEST_MANAGER=$PWD/bin/test/manager
fi

go test -race -p "${TEST_PARALLEL:-2}" -timeout "${TEST_TIMEOUT:-40m}" ${TEST:-./...}
# The choice of the control plane is tested without the one chosen above.
[ "${TEST:-./...}" != ./... ] || (cd hack/controlplane && env -u KUBEBUILDER_ASSETS GOFLAGS=-mod=readonly go test .)
