#!/usr/bin/env bash
# Measures the manager; docs/performance.md says what and how. Arguments are those of test/bench, see -h.
set -euo pipefail
cd "$(dirname "$0")/.."

KUBEBUILDER_ASSETS=$(hack/controlplane/assets.sh bin/k8s)
export KUBEBUILDER_ASSETS
mkdir -p bin/bench
(cd test/bench && CGO_ENABLED=0 go build -trimpath -o ../../bin/bench/ . ./crossplane ./floor)
# In the shell's place, so that an interrupt reaches it first and it clears up.
exec bin/bench/bench "$@"
