#!/usr/bin/env bash
# Checks all that can be checked without running the program. Every check runs, so that one run tells everything; the
# tree is not changed.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=()
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check runs a command, and prints what it says only if it fails.
check() {
	local title=$1
	shift
	if "$@" >"$scratch/output" 2>&1; then
		echo "ok    $title"
	else
		echo "FAIL  $title"
		sed 's/^/      /' "$scratch/output"
		failed+=("$title")
	fi
}

generated() {
	hack/generate.sh "$scratch/generated" || return 1
	local path differs=0
	for path in api/v1alpha1/zz_generated.deepcopy.go config/crd/bases config/rbac/role.yaml docs/reference.md dist/install.yaml; do
		diff -ru "$path" "$scratch/generated/$path" || differs=1
	done
	[ "$differs" -eq 0 ] || { echo "run make manifests and commit what changes"; return 1; }
}

formatted() {
	local files
	files=$(git ls-files --cached --others --exclude-standard '*.go' | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done | xargs gofmt -l)
	[ -z "$files" ] || { echo "run gofmt -w on:"; echo "$files"; return 1; }
}

headed() {
	local file missing=0
	while read -r file; do
		# In generated files the heading comes after a build constraint.
		case $file in */zz_generated.*) continue ;; esac
		[ -f "$file" ] || continue
		head -n 2 "$file" | cmp -s - hack/boilerplate.go.txt || { echo "$file does not begin with hack/boilerplate.go.txt"; missing=1; }
	done < <(git ls-files --cached --others --exclude-standard '*.go')
	return "$missing"
}

modules() { git ls-files --cached --others --exclude-standard '*go.mod' | xargs -n 1 dirname; }

tidy() {
	local module untidy=0
	for module in $(modules); do
		(cd "$module" && go mod tidy -diff) | head -n 20 || { echo "run go mod tidy in $module"; untidy=1; }
	done
	return "$untidy"
}

scripts() {
	local file broken=0
	while read -r file; do
		[ -f "$file" ] || continue
		bash -n "$file" || broken=1
	done < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run)
	return "$broken"
}

rendered() {
	local kustomize folder
	kustomize=$(hack/tools/build.sh kustomize)
	for folder in config/default config/namespaced config/samples; do
		"$kustomize" build "$folder" >/dev/null || return 1
	done
}

vetted() {
	local module
	for module in $(modules); do
		case $module in hack/tools/*) continue ;; esac # no code of ours
		(cd "$module" && go vet ./...) || return 1
	done
}

linted() { "$(hack/tools/build.sh golangci-lint)" run; }

check "generated files are current" generated
check "Go files are formatted" formatted
check "Go files have their heading" headed
check "go.mod and go.sum are tidy" tidy
check "shell scripts parse" scripts
check "kustomizations render" rendered
check "the manager builds for each platform of the image" make --no-print-directory build-all
check "go vet" vetted
check "golangci-lint" linted

[ "${#failed[@]}" -eq 0 ] || { echo "${#failed[@]} of these checks failed; what to do stands above" >&2; exit 1; }
