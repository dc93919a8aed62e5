# foil: `make demo` shows the whole method, `make test` runs every test. Both install what is missing first.
BUILD ?= build
JOBS ?= $(shell nproc)
CMAKE_FLAGS ?=

.PHONY: demo test build deps bench bench-build bench-compare bench-peers bench-verify clean
.DEFAULT_GOAL := build

deps:
	@scripts/install_deps.sh

configure: deps
	@cmake -S . -B $(BUILD) -G Ninja $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
.PHONY: configure

build: configure
	@cmake --build $(BUILD) -j $(JOBS) --target foil

demo: build
	@$(BUILD)/foil run recipes/demo.yaml

test: configure
	@cmake --build $(BUILD) -j $(JOBS)
	@cd $(BUILD) && ctest --output-on-failure

# Every hot path with its share of the machine's bound, one JSON line a figure. CASES="decode train/sft" runs some.
bench: bench-build
	@$(BUILD)/bench/foil_bench $(CASES)

bench-build: configure
	@cmake -S . -B $(BUILD) -DFOIL_BENCH=ON >/dev/null && cmake --build $(BUILD) -j $(JOBS) --target foil_bench

# This tree against the commit BASE in one run: make bench-compare BASE=main CASES=decode
bench-compare: bench-build
	@test -n "$(BASE)" || { echo "name the commit to compare with: make bench-compare BASE=main"; exit 2; }
	@rm -rf $(BUILD)/bench/base && git worktree prune && git worktree add --force --detach $(BUILD)/bench/base $(BASE) >/dev/null
	@if [ -e .deps ]; then ln -sfn "$(CURDIR)/.deps" $(BUILD)/bench/base/.deps; fi
	@cmake -S $(BUILD)/bench/base -B $(BUILD)/bench/base-build -G Ninja -DFOIL_BENCH=ON -DFOIL_TESTS=OFF $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)/bench/base-build -j $(JOBS) --target foil_bench
	@bench/compare.py $(BUILD)/bench/base-build/bench/foil_bench $(BUILD)/bench/foil_bench $(CASES)
	@git worktree remove --force $(BUILD)/bench/base

# foil against transformers, llama.cpp, TRL, tokenizers and Math-Verify, alternating, three rounds: peers.json and peers.md in BENCH_OUT.
PEERS ?= $(BUILD)/bench/peers
BENCH_OUT ?= $(BUILD)/bench/out
ROUNDS ?= 3
bench-peers: bench-build
	@bench/peers/install.sh $(PEERS)
	@bench/peers/run.py --bench $(BUILD)/bench/foil_bench --env $(PEERS) --out $(BENCH_OUT) --rounds $(ROUNDS) $(CASES)

# The verifier against Math-Verify on the same rows; PEER is a python that has math-verify[antlr4_13_2]==0.9.0.
PEER ?= python3
DATA ?= ../shared/data
bench-verify: configure
	@cmake -S . -B $(BUILD) -DFOIL_BENCH=ON >/dev/null && cmake --build $(BUILD) -j $(JOBS) --target verify_bench
	@$(PEER) bench/verify_peers.py --bench $(BUILD)/bench/verify_bench --data $(DATA) --out bench/results/verify

clean:
	rm -rf $(BUILD)
