# The front door. meson does the work; `make help` says what there is.
BUILD = build
MESON_TEST = meson test --print-errorlogs

.PHONY: help run test lint bench clean packages root

help:
	@echo 'make run    build, and show Weir balancing real connections (root; Ctrl-C ends it)'
	@echo 'make test   build, and run every test (root: the smoke tests make network namespaces)'
	@echo 'make lint   the house rules, and clang-tidy'
	@echo 'make bench  an optimized build, its benchmarks, and packets through it beside testpmd'
	@echo 'make clean  remove what was built'
	@echo
	@echo 'The first four install the Debian packages of packages.txt that are missing.'

run: root packages $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@tools/demo $(BUILD)

test: root packages $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@$(MESON_TEST) -C $(BUILD)

lint: packages
	@tools/lint

bench: packages build-bench/build.ninja
	@ninja -C build-bench
	@mkdir -p build-bench/results
	@find build-bench/results -name '*.json' ! -name '*.previous.json' -exec \
		sh -c 'mv "$$1" "$${1%.json}.previous.json"' - {} \;
	@meson test --benchmark --verbose -C build-bench
	@bench/end-to-end build-bench --json build-bench/results/end_to_end.json
	@bench/compare

clean:
	@rm -rf build build-*/
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BUILD)/build.ninja: | packages
	@meson setup $(BUILD)

build-bench/build.ninja: | packages
	@meson setup --buildtype=release -Db_ndebug=true build-bench

packages:
	@tools/install-packages

root:
	@test "$$(id -u)" -eq 0 || { \
		echo 'This makes network namespaces and packet devices: run it as root.' >&2; exit 2; }
