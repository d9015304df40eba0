# Needs python3 (3.11 or later) and make. PYTHON=… chooses another interpreter, PORT=… the port, ARGS=… adds arguments.
PYTHON ?= python3
PORT ?=
ARGS ?=
export PORT

RUN = $(PYTHON) scripts/prepare.py requirements.lock
DEV = $(PYTHON) scripts/prepare.py requirements-dev.lock
VENV = .venv/bin/python
SHARED_OUT = -n auto --dist loadfile --no-loadscope-reorder

.PHONY: help run demo test test-browser test-brokers check bench siege siege-tests clean wipe
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

run: ## run the whole service on http://127.0.0.1:8000 until Ctrl-C
	@$(RUN) && exec $(VENV) -m pushhub.embedded run

demo: ## send a broadcast to 1,000 simulated devices and check every payload; needs no vendor
	@$(RUN) && exec $(VENV) -m pushhub.embedded demo $(ARGS)

test: ## run the tests on all processors (ARGS="tests/devices -q" for some, ARGS=-n0 for one processor)
	@$(DEV) && exec $(VENV) -m pytest -m "not browser and not siege and not broker" $(SHARED_OUT) $(ARGS)

test-browser: ## test the demo page and the admin in headless Chromium
	@$(DEV) && scripts/chromium && exec $(VENV) -m pytest -m browser $(ARGS)

test-brokers: ## test the engine with RabbitMQ (from Debian) and with SQS (from moto)
	@$(DEV) && if scripts/rabbitmq; then place=tests/brokers; else place=tests/brokers/test_sqs.py; fi && \
	exec $(VENV) -m pytest -m broker $$place $(ARGS)

check: ## check style, types and migrations
	@$(DEV)
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy .
	$(VENV) manage.py makemigrations --check --dry-run

bench: ## run the benchmarks
	@$(DEV) && exec $(VENV) -m bench $(ARGS)

siege: ## cause faults under load for 20 minutes and write a report (ARGS="--minutes 5 --only worker-kills")
	@$(DEV) && exec $(VENV) -m bench.siege $(ARGS)

siege-tests: ## run the tests that take too long for make test
	@$(DEV) && exec $(VENV) -m pytest -m siege $(ARGS)

clean: ## delete the virtualenv and the caches; the data in .pushhub stays
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

wipe: ## delete the data, secrets and logs of this checkout
	@$(RUN) && exec $(VENV) -m pushhub.embedded wipe
