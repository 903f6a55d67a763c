#!/usr/bin/env bash
# Builds kube-apiserver, etcd and kubectl from the modules that go.mod beside this file pins.
# usage: build.sh DIR          writes the three binaries and a stamp to DIR; does nothing if the stamp is current
#        build.sh --check DIR  says by its exit code whether the stamp is current
#
# The flags trade the speed of the control plane for the speed of its build: without inlining and debug
# information the first build takes half the time. They share no compile cache with `go test`.
set -euo pipefail

check=false
[ "${1:-}" = --check ] && check=true && shift
[ $# -eq 1 ] || { echo "usage: $0 [--check] DIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
ldflags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	ldflags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
	ldflags+=" -X $package.gitTreeState=clean -X $package.gitCommit=unknown -X $package.buildDate=1970-01-01T00:00:00Z"
done
gcflags='all=-l -dwarf=false'

stamp="$kubernetes $(go env GOVERSION GOOS GOARCH | tr '\n' ' ')$(echo "$gcflags $ldflags" | cat - go.mod go.sum | cksum)"
if [ -x "$out/kube-apiserver" ] && [ -x "$out/etcd" ] && [ -x "$out/kubectl" ] && [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
! $check || exit 1
rm -f "$out/.stamp"

# progress prints a line every 20 seconds, so that the minutes of a first build do not look like a hang.
progress() {
	local began=$SECONDS
	while sleep 20; do
		echo "  still building $1 ($((SECONDS - began)) s)" >&2
	done
}

build() {
	local name=$1 package=$2 began=$SECONDS
	echo "building $name from $package" >&2
	progress "$name" &
	local ticker=$!
	local failed=0
	CGO_ENABLED=0 GOGC=400 GOWORK=off GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false \
		-gcflags "$gcflags" -ldflags "$ldflags" -o "$out/.$name.new" "$package" || failed=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	[ "$failed" -eq 0 ] || { echo "$name does not build (see above)" >&2; exit "$failed"; }
	mv "$out/.$name.new" "$out/$name"
	echo "built $name in $((SECONDS - began)) s" >&2
}

echo "building the control plane $kubernetes once: about 6 minutes on 2 cores when nothing is cached" >&2
build etcd go.etcd.io/etcd/server/v3
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kubectl k8s.io/kubernetes/cmd/kubectl
echo "$stamp" >"$out/.stamp"
