#!/usr/bin/env bash
# Installs the programs that the tests run beside Go itself, if one of them is
# missing: Debian packages, as root. Anywhere else it says what is missing.
set -euo pipefail

missing=() # what for
packages=()

# need PURPOSE PACKAGE... -- COMMAND: COMMAND tells whether it is there.
need() {
	local purpose=$1 wanted=()
	shift
	while [ "$1" != -- ]; do wanted+=("$1"); shift; done
	shift
	if ! "$@" >/dev/null 2>&1; then
		missing+=("$purpose (Debian: ${wanted[*]})")
		packages+=("${wanted[@]}")
	fi
}
has() { command -v "$1"; }
has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || has initdb; }
has_valgrind() { has valgrind && has gcc && has g++; }
has_alertmanager() { has prometheus-alertmanager || has alertmanager; }
# The race detector links with the system's C library.
has_pip() { python3 -m pip --version; }
# The schema that GitLab publishes for its CI files, as a package of PyPI ships it.
schema=check-jsonschema==0.39.0
has_schema() { compgen -G 'bin/check_jsonschema-0.39.0-*.whl' >/dev/null; }
fetch_schema() {
	has_schema && return
	echo "tools: $schema, for the schema of GitLab CI"
	mkdir -p bin
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest bin "$schema"
}
has_c() { echo 'int main(void){return 0;}' | cc -x c -o /dev/null -; }

need 'a C compiler, for go test -race' gcc libc6-dev -- has_c
need "PostgreSQL's server, the second database of the store's tests" postgresql -- has_postgres
need 'Prometheus, which sends real alerts to the tests' prometheus -- has prometheus
need 'Alertmanager, which groups and sends them' prometheus-alertmanager -- has_alertmanager
need 'Valgrind, and the compilers of the programs that it watches' valgrind gcc g++ libc6-dev -- has_valgrind
need 'OpenSSL, which checks what the gate signs' openssl -- has openssl

has_schema || need 'pip, which fetches the schema of GitLab CI' python3-pip -- has_pip

if [ ${#missing[@]} -eq 0 ]; then
	fetch_schema
	echo 'tools: all there'
	exit 0
fi
printf 'tools: missing: %s\n' "${missing[@]}"

if ! has apt-get >/dev/null; then
	echo 'tools: there is no apt-get here; install these with your own package manager and run this again' >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "tools: not root; run: sudo apt-get update && sudo apt-get install --no-install-recommends ${packages[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo 'tools: apt-get update'
apt-get update -qq
echo "tools: apt-get install ${packages[*]}"
apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null >/dev/null
fetch_schema
echo 'tools: installed'
