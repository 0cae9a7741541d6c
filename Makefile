# What can be done with this tree: `make help`. CI runs the same targets (.ci/run).

# The etcd of `make demo`, and one of each minor version that Quorate runs, for tests against the real thing.
ETCD := 3.6.16
TEST_ETCD := 3.5.35 3.6.16 3.7.3

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quorate
# Outside the tree, so that a fresh clone compiles only what changed.
export CARGO_TARGET_DIR ?= $(cache)/target

# One strict shell for a whole recipe: the first command that fails ends it, in a pipe too.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench crds deploy docs image sbom tour e2e setup

# Sets QUORATE_TEST_ETCD to the paths of the etcd binaries to test with, separated by colons.
define with_etcd
QUORATE_TEST_ETCD=
for version in $(TEST_ETCD); do
  QUORATE_TEST_ETCD+=$${QUORATE_TEST_ETCD:+:}$$(scripts/etcd "$$version")
done
export QUORATE_TEST_ETCD
endef

# Runs the command $(1), and ends with the totals of all test programs that it ran, alone on a line.
# It fails if that does, and also if no test ran: a filter or a feature gone wrong must not look like success.
define counted
log=$$CARGO_TARGET_DIR/make-$@.log
mkdir -p "$$CARGO_TARGET_DIR"
status=0
$(1) | tee "$$log" || status=$$?
awk '
  /^test result: / {
    for (i = 3; i <= NF; i++) {
      if ($$i ~ /^passed/) passed += $$(i - 1)
      if ($$i ~ /^failed/) failed += $$(i - 1)
    }
  }
  # By scripts/again: these were counted twice.
  /^failed beside others and were run again alone: [0-9]+$$/ { failed -= $$NF; again += $$NF }
  END {
    if (passed + failed == 0) print "no test ran" >"/dev/stderr"
    if (again) printf "of these, failed beside others and were run again alone: %d\n", again
    printf "%d passed, %d failed\n", passed, failed
    exit passed + failed == 0
  }' "$$log" || status=1
exit $$status
endef

help: ## say what the targets do
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: setup ## run a three-member etcd cluster on this machine, in ./demo; Ctrl-C stops it and keeps the data
	@etcd=$$(scripts/etcd $(ETCD))
	cargo build --release --locked --bin quorate
	exec "$$CARGO_TARGET_DIR/release/quorate" up -f examples/demo.yaml --dir ./demo --etcd "$$etcd"

test: setup ## run all tests, those against real etcd 3.5, 3.6 and 3.7 included
	@$(with_etcd)
	$(call counted,scripts/test)

lint: setup ## check format, clippy, dependencies, shell scripts and alerts
	@cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	# The end-to-end tests are among those targets only when they are named alone.
	cargo clippy --locked --test e2e --test e2e_faults --test e2e_rights --test e2e_helm -- -D warnings
	# As a statement of its own, because a failing substitution inside a command does not end the recipe.
	deny=$$(scripts/tool cargo-deny)
	"$$deny" --locked check --hide-inclusion-graph bans licenses sources
	if command -v shellcheck >/dev/null; then
	  shellcheck scripts/* .ci/run
	else
	  echo 'shellcheck is not installed: the shell scripts were not checked' >&2
	fi
	if actionlint=$$(scripts/tool actionlint); then
	  # What the workflows run in a shell is checked by shellcheck, if it is there.
	  "$$actionlint"
	else
	  echo 'actionlint could not be had: the workflows were not checked' >&2
	fi
	if command -v promtool >/dev/null; then
	  promtool check rules charts/quorate/files/rules.yaml
	  promtool test rules tests/alerts/*.yaml
	else
	  echo 'promtool (Debian: prometheus) is not installed: the alerts were not tested' >&2
	fi

bench: setup ## print the figures of the benchmarks
	@$(with_etcd)
	# Each program adds to the end of QUORATE_BENCH_REPORT, if it is set.
	if [ -n "$${QUORATE_BENCH_REPORT:-}" ]; then rm -f "$$QUORATE_BENCH_REPORT"; fi
	cargo bench --locked --bench one_machine
	cargo bench --locked --bench decide
	cargo bench --locked --bench many_clusters
	cargo bench --locked --bench registrator

crds: setup ## write the custom resource definitions from the types
	@mkdir -p crds "$$CARGO_TARGET_DIR"
	# Through another file, so that a run that fails does not leave an empty definition behind.
	new=$$CARGO_TARGET_DIR/crds.yaml
	for kind in etcdclusters etcdmembers; do
	  cargo run --locked --bin quorate -- crds "$$kind" >"$$new"
	  mv "$$new" "crds/quorate.dev_$$kind.yaml"
	done

deploy: ## write what is made from the chart and the definitions: deploy/quorate.yaml, the chart's README, golden files
	@scripts/chart

docs: setup ## write the reference pages from the source
	@QUORATE_WRITE_DOCS=1 cargo test --locked --test docs -- reference::the_page

image: setup ## make the images, target/images/quorate.tar and registrator.tar, by Docker if it runs and without it otherwise
	@scripts/image

sbom: setup ## write what the programs in the images are made of, target/sbom/*.cdx.json (CycloneDX)
	@scripts/sbom

tour: setup ## show it all on the Kubernetes of $KUBECONFIG and a Docker engine on its node, and clean up behind
	@scripts/tour

e2e: setup ## install the operator into the Kubernetes of $KUBECONFIG, whose nodes have its image, and test it there
	@# The default context of kubectl may be anything; a cluster to test on has to be named.
	if [ -z "$${KUBECONFIG:-}" ]; then
	  echo 'set KUBECONFIG to a cluster that the tests may change' >&2
	  exit 2
	fi
	# Not by PATH: programs in C are compiled anew whenever that changes, and all that depends on them.
	kubectl=$$(command -v kubectl || echo $(cache)/bin/kubectl)
	"$$kubectl" apply --server-side --force-conflicts -f deploy/quorate.yaml
	"$$kubectl" --namespace quorate-system rollout restart deployment/quorate
	"$$kubectl" --namespace quorate-system rollout status deployment/quorate --timeout=120s
	$(call counted,scripts/e2e)

setup: ## install what compiling needs and the machine lacks
	@scripts/setup
