#!/usr/bin/env bash
# Provides kube-apiserver, etcd and kubectl for the tests and the demo, and prints the folder that holds them.
# usage: assets.sh DIR
#
#   1. KUBEBUILDER_ASSETS, if set, names the folder, and nothing is fetched or built.
#   2. DIR, if it holds a current set.
#   3. A set that setup-envtest downloads into DIR: tried for seconds only, for many machines cannot reach its index.
#   4. A set built from Go modules into DIR: minutes, once.
#
# CONTROLPLANE_INDEX   another index of archives for step 3; empty skips the step
# CONTROLPLANE_BUILD   another command for step 4, called with DIR
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
binaries=(kube-apiserver etcd kubectl)
index=${CONTROLPLANE_INDEX-https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml}

complete() {
	local binary
	for binary in "${binaries[@]}"; do
		[ -x "$1/$binary" ] || return 1
	done
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
	complete "$KUBEBUILDER_ASSETS" || {
		echo "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which lacks one of: ${binaries[*]}" >&2
		exit 1
	}
	echo "$KUBEBUILDER_ASSETS"
	exit 0
fi

mkdir -p "$1"
dir=$(cd "$1" && pwd)
# The pinned modules say which Kubernetes it is; of a download any patch release of the same minor version will do.
version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/go.mod")
minor=${version#v}
minor=${minor%.*}
downloaded="setup-envtest $minor"

if complete "$dir" && [ "$(cat "$dir/.stamp" 2>/dev/null)" = "$downloaded" ]; then
	echo "$dir"
	exit 0
fi
if [ -z "${CONTROLPLANE_BUILD:-}" ] && "$here/build.sh" --check "$dir"; then
	echo "$dir"
	exit 0
fi

# limit runs a command for at most so many seconds where the system has timeout(1).
limit() {
	if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi
}

# download asks the index first, so that a machine without a way to it loses seconds, and one with a slow way has time.
download() {
	local setup store=$dir/.setup-envtest
	setup=$("$here/../tools/build.sh" setup-envtest) || return 1
	limit 8 "$setup" list --index "$index" --bin-dir "$store" "$minor.x" >/dev/null 2>&1 || return 1
	local found
	found=$(limit 300 "$setup" use --index "$index" --bin-dir "$store" -p path "$minor.x" 2>/dev/null) || return 1
	complete "$found" || return 1
	rm -f "$dir/.stamp"
	local binary
	for binary in "${binaries[@]}"; do
		mv -f "$found/$binary" "$dir/$binary"
	done
	echo "$downloaded" >"$dir/.stamp"
}

if [ -n "$index" ]; then
	echo "looking for a prebuilt Kubernetes $minor control plane" >&2
	if download; then
		rm -rf "$dir/.setup-envtest"
		echo "$dir"
		exit 0
	fi
	rm -rf "$dir/.setup-envtest"
	echo "no prebuilt control plane can be had from here: it is built instead" >&2
fi
"${CONTROLPLANE_BUILD:-$here/build.sh}" "$dir" >&2
complete "$dir" || { echo "$dir lacks one of: ${binaries[*]}" >&2; exit 1; }
echo "$dir"
