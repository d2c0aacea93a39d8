#!/usr/bin/env bash
# Runs each fuzz test of the module for the time given (default 20s), one
# after the other, as `go test -fuzz` takes only one.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}

found=0
while IFS=: read -r file _ line; do
	name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	package=./$(dirname "$file")
	found=$((found + 1))
	echo "fuzz: $package $name, $time"
	go test -run='^$' -fuzz="^$name\$" -fuzztime="$time" "$package"
done < <(git grep --untracked -nE '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go')

if [ "$found" -eq 0 ]; then
	echo 'fuzz: no fuzz test found' >&2
	exit 1
fi
echo "fuzz: $found fuzz tests, no failure"
