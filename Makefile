# Two commands on a fresh machine: `make demo` and `make test`. Everything lives in .venv, installed from uv.lock.
SHELL := /bin/bash
VENV := .venv
UV := $(shell command -v uv 2>/dev/null || echo .cache/uv/bin/uv)
# One thread a process: Ray runs as many processes as there are cores.
export OMP_NUM_THREADS ?= 1
# Ray counts its users by default; nothing here calls home.
export RAY_USAGE_STATS_ENABLED := 0
# Some images forbid Python to keep compiled modules; each process would then compile torch and Ray again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test test-slow lint types contracts format bench audit check-images up down clean

install: $(VENV)/.installed

$(VENV)/.installed: uv.lock pyproject.toml
	@command -v $(UV) >/dev/null || { python3 -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv; }
	$(UV) sync --frozen --python 3.11
	@touch $@

demo: install
	$(VENV)/bin/lagsweep run sweeps/studies/demo.yaml

test: install
	$(VENV)/bin/pytest

test-slow: install
	$(VENV)/bin/pytest -m slow --timeout 1800 -n 2 --dist loadfile

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: install
	$(VENV)/bin/pyright

contracts: install
	$(VENV)/bin/lint-imports

format: install
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: install
	$(VENV)/bin/python -m benchmarks.throughput

# Known weaknesses of what is locked. Needs the advisory service: what it cannot answer is a failure.
audit: install
	mkdir -p .cache
	$(UV) export --quiet --frozen --no-dev --no-emit-project --output-file .cache/locked.txt
	$(UV) tool run pip-audit --strict --disable-pip --require-hashes --requirement .cache/locked.txt

# Settings of image and manifests, by checkov. Skipped are what it cannot know: that BASE names an exact tag, and that
# `kubectl apply -k` is told a namespace.
check-images: install
	$(UV) tool run checkov@3.3.30 --directory docker --directory cluster/kubernetes --framework dockerfile kubernetes \
		--skip-check CKV_DOCKER_7,CKV_K8S_21 --skip-download --compact --quiet

# The whole stack on this machine in containers; docker/.env may change it (docker/.env.example).
up:
	docker/make-secrets.sh
	docker compose --file docker/compose.yaml up --build --detach --wait

down:
	docker compose --file docker/compose.yaml down

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
