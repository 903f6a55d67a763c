#!/usr/bin/env bash
# Builds a tool that a module beside this file pins, and prints the path of the binary.
# usage: build.sh NAME    NAME is one of the folders here
#
# The binary is bin/tools/NAME-VERSION; one that is there already is not built again. A tool has a module of its
# own, so that what it depends on stays out of the manager's.
set -euo pipefail

[ $# -eq 1 ] && [ -f "$(dirname "$0")/$1/go.mod" ] || { echo "usage: $0 NAME, one of: $(cd "$(dirname "$0")" && echo */)" >&2; exit 2; }
name=$1
bin=${TOOLS_DIR:-$(cd "$(dirname "$0")/../.." && pwd)/bin/tools}
cd "$(dirname "$0")/$name"

package=$(awk '$1 == "tool" { print $2; exit }' go.mod)
# The tool's module is the required one with the longest path that begins the package's.
version=$(awk -v package="$package/" '
	{ sub(/^require /, "") }
	index(package, $1 "/") == 1 && $2 ~ /^v/ && length($1) > longest { longest = length($1); version = $2 }
	END { print version }' go.mod)
[ -n "$package" ] && [ -n "$version" ] || { echo "hack/tools/$name/go.mod names no tool" >&2; exit 1; }

binary=$bin/$name-$version
if [ ! -x "$binary" ]; then
	echo "building $name $version" >&2
	mkdir -p "$bin"
	GOWORK=off GOFLAGS=-mod=readonly GOOS='' GOARCH='' CGO_ENABLED=0 \
		go build -trimpath -ldflags '-s -w' -o "$binary.$$" "$package"
	mv "$binary.$$" "$binary"
fi
echo "$binary"
