#!/usr/bin/env bash
# Runs all tests, with the race detector where there is the C compiler that it needs. The Makefile sets the variables;
# so can you: TEST (packages), TEST_PARALLEL (packages at once), TEST_TIMEOUT (for each package).
set -euo pipefail
cd "$(dirname "$0")/.."

KUBEBUILDER_ASSETS=$(hack/controlplane/assets.sh bin/k8s)
export KUBEBUILDER_ASSETS
# Reports are read in logs more often than on a terminal.
export GINKGO_NO_COLOR=true
race=(-race)
if ! command -v "$(go env CC)" >/dev/null; then
	echo "no C compiler ($(go env CC)): the tests run without the race detector" >&2
	race=()
fi
mkdir -p bin/test
go build "${race[@]}" -o bin/test/manager ./cmd/manager
export TEST_MANAGER=$PWD/bin/test/manager

go test "${race[@]}" -p "${TEST_PARALLEL:-1}" -timeout "${TEST_TIMEOUT:-30m}" ${TEST:-./...}
# A module of its own.
[ "${TEST:-./...}" != ./... ] || (cd hack/controlplane && go test .)
