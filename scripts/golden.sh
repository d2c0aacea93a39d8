#!/usr/bin/env bash
# Writes the golden files anew: runs `go test -update` in every package whose
# tests define that flag, flag.Bool("update", …), and shows what changed.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(git grep --untracked -lE 'flag\.Bool\("update"' -- '*_test.go' | xargs -r -n1 dirname | sort -u | sed 's|^|./|')
if [ -z "$packages" ]; then
	echo 'golden: no package defines the flag -update' >&2
	exit 1
fi
# shellcheck disable=SC2086 # one word per package
go test -count=1 $packages -update
git status --short -- '*testdata*'
