#!/usr/bin/env bash
# gofmt, go vet and staticcheck over the whole module: all three, also where
# the first has something to say. Silent but for their names if all is well.
set -euo pipefail
cd "$(dirname "$0")/.."

# Pinned, so that a new release does not break a build that nobody changed.
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

failed=()

echo 'lint: gofmt'
unformatted=$(git ls-files -z --cached --others --exclude-standard --deduplicate -- '*.go' |
	while IFS= read -r -d '' file; do if [ -f "$file" ]; then printf '%s\0' "$file"; fi; done |
	xargs -0 --no-run-if-empty gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted (run gofmt -w on them):\n%s\n' "$unformatted"
	failed+=(gofmt)
fi
echo 'lint: go vet'
go vet ./... || failed+=('go vet')
echo 'lint: staticcheck'
go run "$staticcheck" ./... || failed+=(staticcheck)

if [ ${#failed[@]} -gt 0 ]; then
	printf 'lint: failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
	exit 1
fi
