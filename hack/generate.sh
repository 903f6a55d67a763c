#!/usr/bin/env bash
# Writes every generated file: deep copies, CRD, the manager's role, the API reference and the manifest to install.
# usage: generate.sh [DIR]    DIR is where instead of here, to compare
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
out=$root
if [ $# -gt 0 ]; then
	mkdir -p "$1"
	out=$(cd "$1" && pwd)
	cp -R config "$out/"
	rm -rf "$out/config/crd/bases"
fi
mkdir -p "$out/docs" "$out/dist" "$out/api/v1alpha1"

"$(hack/tools/build.sh controller-gen)" \
	object:headerFile=hack/boilerplate.go.txt output:object:dir="$out/api/v1alpha1" \
	crd output:crd:dir="$out/config/crd/bases" paths=./api/...
"$(hack/tools/build.sh controller-gen)" rbac:roleName=manager output:rbac:dir="$out/config/rbac" paths=./controllers
"$(hack/tools/build.sh crd-ref-docs)" --config hack/tools/crd-ref-docs/config.yaml --renderer markdown \
	--source-path api --output-path "$out/docs/reference.md" --log-level ERROR
"$(hack/tools/build.sh kustomize)" build "$out/config/default" >"$out/dist/install.yaml"
