# Muster. `make help` lists what there is to do.

GO         ?= go
PKG        ?= ./...
FUZZTIME   ?= 20s
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Results are taken from Go's cache while you work; CI runs every test.
TESTFLAGS  ?= -timeout=15m $(if $(CI),-count=1)
# A regular expression of packages that run without the race detector, because
# they would take minutes under it. Empty: none.
PLAIN      ?=

.DEFAULT_GOAL := help
.PHONY: help build demo test bench bench-peers bench-growth bench-docs lint fuzz golden test-long tools clean bin/testreport

help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  PKG=./oncall/... narrows test and test-long; FUZZTIME=5m lengthens fuzz.'

build: ## Build bin/muster, one static binary.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/muster ./cmd/muster

demo: build ## Build, and watch one incident on this machine, from a bad release to a postmortem.
	bin/muster demo

test: tools lint bin/testreport ## Install what is missing, lint, and run every test under the race detector.
	bin/testreport -race -plain='$(PLAIN)' -packages='$(PKG)' -- $(TESTFLAGS)

test-long: tools bin/testreport ## Run the tests that take minutes too (MUSTER_LONG=1), without the race detector.
	MUSTER_LONG=1 bin/testreport -packages='$(PKG)' -- -timeout=60m -count=1

bench: ## Run the benchmarks that matter three times over, and print tables (seven minutes).
	$(GO) run ./internal/benchdoc

bench-peers: ## The intake beside a real Alertmanager under the same load, five times over.
	$(GO) run ./internal/benchdoc -suite peers

bench-growth: ## What grows on the way to a million open alerts (ten minutes).
	$(GO) run ./internal/benchdoc -suite growth

bench-docs: ## All three, and write the tables and drawings of docs/benchmarks.md anew.
	for suite in bench peers growth; do $(GO) run ./internal/benchdoc -suite $$suite -doc docs/benchmarks.md || exit 1; done

lint: ## gofmt, go vet and staticcheck.
	@scripts/lint.sh

fuzz: ## Run each fuzz test for FUZZTIME.
	@scripts/fuzz.sh $(FUZZTIME)

golden: ## Write the golden files anew; read the diff before you commit it.
	@scripts/golden.sh

tools: ## Install the programs that tests need (Debian packages), if any is missing.
	@scripts/install-tools.sh

clean: ## Remove what was built.
	rm -rf bin dist

bin/testreport:
	$(GO) build -o $@ ./internal/testreport
