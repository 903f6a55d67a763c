#!/usr/bin/env bash
# Runs each fuzz test for a while: go test takes but one at a time.
# usage: fuzz.sh DURATION
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 DURATION" >&2; exit 2; }
cd "$(dirname "$0")/.."

for folder in $(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n 1 dirname | sort -u); do
	for name in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go | sed 's/^func //'); do
		echo "$folder: $name for $1"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "./$folder" | tail -n 1
	done
done
