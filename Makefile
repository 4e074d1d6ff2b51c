# SPDX-License-Identifier: GPL-2.0-only
# For people in a hurry: `make fuzz` finds the bug this tool was written for, `make test` checks
# everything. All else is cargo.

FUZZ_SECONDS ?= 30
FUZZ_FLAGS ?=
FINDINGS ?= findings
# A corpus of its own, empty at first: the campaign finds everything by itself.
FUZZ_CORPUS ?= target/make-fuzz/corpus
# Empty: all of them. Names are in emulator/linux/README.md; a version ("7.2") stands for all of its
# own.
KERNELS ?=
# The libFuzzer targets as a fuzzing service builds them: where, with which sanitizer (none or
# address), and how many runs they are tried with.
TARGETS ?= target/fuzz-targets
SANITIZER ?= none
RUNS ?= 50000

# What the tests of `make test` say, for their number.
TEST_LOG ?= target/make-test/log

# One profile for everything, so that nothing is built twice.
CARGO := cargo
BUILD := --release --locked
CTXFUZZ := $(CARGO) run $(BUILD) --quiet --package ctxfuzz --

# Whether real kernels were there, and could be booted, for the tests that use some.
SAY_REAL = found=$$(cd "$${CTXFUZZ_KERNELS:-target/kernels}" 2>/dev/null && echo */vmlinux | sed 's,/vmlinux,,g'); \
	if ! "$${CTXFUZZ_QEMU:-qemu-system-ppc64}" --version >/dev/null 2>&1; then \
		echo "make test: real kernels were not tested: there is no qemu-system-ppc64 (\`.ci/setup qemu\` installs it)"; \
	elif [ -z "$$found" ] || [ "$$found" = '*' ]; then \
		echo "make test: real kernels were not tested: \`make kernels\` builds some into target/kernels"; \
	else \
		echo "make test: real kernels were tested, as far as they are there: $$found"; \
	fi

.PHONY: help setup build fuzz test kernels fuzz-targets
.DEFAULT_GOAL := help

help:
	@echo "make fuzz     build ctxfuzz, fuzz the clobbering kernel against the fixed one for $(FUZZ_SECONDS) seconds, print findings"
	@echo "make test     format, lints, documentation, all tests, the corpus, the self-test"
	@echo "make build    build ctxfuzz (target/release/ctxfuzz)"
	@echo "make kernels  build real kernels of 6.1, 6.12 and 7.2, and fetch Debian's, into target/kernels (emulator/linux/README.md);"
	@echo "              KERNELS=\"debian-7.2 fixed-7.2-le\" some, KERNELS=7.2 all of a version"
	@echo "make fuzz-targets  build the libFuzzer targets with cargo-fuzz as a fuzzing service does, and try them (docs/cargo-fuzz.md)"
	@echo "make setup    install what the build needs, or say what to install"
	@echo
	@echo "TARGETS=$(TARGETS) SANITIZER=$(SANITIZER) RUNS=$(RUNS)"
	@echo "FUZZ_SECONDS=$(FUZZ_SECONDS) FINDINGS=$(FINDINGS) FUZZ_FLAGS='$(FUZZ_FLAGS)' KERNELS='$(KERNELS)'"

setup:
	@.ci/setup

build: setup
	$(CARGO) build $(BUILD) --package ctxfuzz

# ctxfuzz exits with 1 when it has findings: here that is success, and 0 is not.
fuzz: build
	@mkdir -p $(FUZZ_CORPUS)
	@$(CTXFUZZ) fuzz --a clobbering --b fixed --corpus $(FUZZ_CORPUS) --findings $(FINDINGS) --seconds $(FUZZ_SECONDS) $(FUZZ_FLAGS); \
	case $$? in \
	1) echo; echo "Found what there is to find. Read $(FINDINGS)/*/report.txt, then docs/reading-a-finding.md." ;; \
	0) echo "make fuzz: the campaign found nothing; is FUZZ_SECONDS=$(FUZZ_SECONDS) too short?" >&2; exit 1 ;; \
	*) echo "make fuzz: the campaign did not run" >&2; exit 2 ;; \
	esac

test: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(BUILD) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(BUILD) --workspace --no-deps --document-private-items
	@mkdir -p $(dir $(TEST_LOG)); rm -f $(TEST_LOG).failed
	{ $(CARGO) test $(BUILD) --workspace --no-fail-fast 2>&1 || touch $(TEST_LOG).failed; } | tee $(TEST_LOG)
	@[ ! -e $(TEST_LOG).failed ] || { .ci/tests $(TEST_LOG); exit 1; }
	$(CTXFUZZ) run --expect corpus/*.json
	$(CTXFUZZ) selftest
	@$(SAY_REAL)
	@.ci/tests $(TEST_LOG)

# Slow, and nothing else needs it: minutes for each object tree, and a few GB.
kernels:
	@.ci/setup kernels
	@emulator/linux/build $(KERNELS)

# Builds everything once more, instrumented: minutes. `make test` tries the same targets as plain
# cargo builds them, with fewer runs.
fuzz-targets: setup
	@mkdir -p $(TARGETS)/out
	OUT="$(abspath $(TARGETS)/out)" WORK="$(CURDIR)" SANITIZER=$(SANITIZER) fuzz/oss-fuzz/build-targets
	fuzz/oss-fuzz/try-targets $(TARGETS)/out $(RUNS)
