# One way to run everything; CI calls the same targets. `make` alone lists them.
PYTHON ?= python3
PORT ?= 8080
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run setup test coverage test-slow lint format bench demo runtime clean browser

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/web  ## serve the demo bucket (or CLOUD_STORAGE_BUCKET) at http://127.0.0.1:8080
	$(BIN)/gunicorn --bind 127.0.0.1:$(PORT) main:app

setup: .venv/all  ## everything into .venv, nothing run

test: .venv/all browser lint  ## every check: ruff, mypy, pytest (unit, storage emulator, browser)
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

coverage: .venv/all browser  ## how many of each module's lines its tests run
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --cov=generate --cov=gallery --cov=web --cov-context=test --cov-report=
	$(BIN)/python -m tests.own_coverage .coverage

test-slow: .venv/all browser  ## the checks that take minutes
	$(BIN)/python -m pytest -m slow

lint: .venv/all  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/all  ## let ruff write the code's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/all  ## measure against peers; prints ratios (see benchmarks/README.md)
	@for benchmark in serve visits publish prepare sample live families curate train; do \
		echo "== $$benchmark"; $(BIN)/python -m benchmarks.$$benchmark || exit 1; done

demo: .venv/all  ## draw demo/bucket from demo/generator.safetensors again: with AVX-512 the same bytes
	rm -rf demo/new && mkdir demo/new
	OMP_NUM_THREADS=1 SOURCE_DATE_EPOCH=1795910400 $(BIN)/python -m generate refill demo/generator.safetensors demo/new --count 384 \
		--live --real demo/real --precision fp32 --device cpu --title "This Emoji Does Not Exist" \
		--description "Emoji faces, people and flags that a small neural network made up."
	rm -rf demo/bucket && mv demo/new demo/bucket

ORT := 1.30.0
runtime: .venv/all  ## fetch ONNX Runtime Web for /live again: the same bytes, or a newer ORT=version
	rm -rf static/live/new && mkdir static/live/new
	cd static/live/new && npm pack --silent onnxruntime-web@$(ORT) && tar -xzf *.tgz --strip-components 2 \
		package/dist/ort.wasm.min.mjs package/dist/ort-wasm-simd-threaded.mjs package/dist/ort-wasm-simd-threaded.wasm
	sed -i.bak '/^\/\/# sourceMappingURL=/d' static/live/new/ort.wasm.min.mjs
	$(BIN)/python -c "import brotli, sys; from pathlib import Path; \
		Path(sys.argv[1] + '.br').write_bytes(brotli.compress(Path(sys.argv[1]).read_bytes(), quality=11, lgwin=24))" \
		static/live/new/ort-wasm-simd-threaded.wasm
	cd static/live/new && mv *.mjs *.br ../ort/ && cd .. && rm -rf new
	$(BIN)/python -m generate.model.rehearsal static/live/rehearsal.onnx
	cd static/live/ort && sha256sum --check SHA256SUMS || sha256sum *.mjs *.br | tee SHA256SUMS

clean:  ## remove .venv and what tools cached
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/web: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is older or missing: make PYTHON=python3.12 run"; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/all: .venv/web $(wildcard generate/requirements*.txt) tests/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	|| ls "/Applications/Google Chrome.app" 2>/dev/null \
	|| { echo "The browser tests need Chromium or Chrome: sudo apt-get install chromium chromium-driver, or brew install --cask google-chrome"; exit 1; }
