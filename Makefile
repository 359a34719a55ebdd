# The commands of the project. `make run` and `make test` need nothing but Rust and a C compiler to be there.
.PHONY: help setup run test bench check
.DEFAULT_GOAL := help

help: ## Shows this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: ## Installs PostgreSQL, Redis and the NATS server where they are missing
	@scripts/setup

run: setup ## Builds and starts everything: make run ARGS="--listen 127.0.0.1:9000"
	@cargo build --bin civiclens
	@exec "$${CARGO_TARGET_DIR:-target}/debug/civiclens" dev $(ARGS)

test: setup ## Runs every test
	cargo test --workspace

bench: setup ## Measures what a request costs, in release
	cargo build --release --workspace
	"$${CARGO_TARGET_DIR:-target}/release/civiclens-bench"

check: ## Runs what CI runs
	@.ci/run
