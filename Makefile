# foil: `make demo` shows the whole method, `make test` runs every test. Both install what is missing first.
BUILD ?= build
JOBS ?= $(shell nproc)
CMAKE_FLAGS ?=

.PHONY: demo test build deps bench clean
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

bench: configure
	@cmake -S . -B $(BUILD) -DFOIL_BENCH=ON >/dev/null && cmake --build $(BUILD) -j $(JOBS) --target foil_bench
	@$(BUILD)/bench/foil_bench

clean:
	rm -rf $(BUILD)
