# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# What runs here depends on this checkout alone: settings of the caller's shell for these tools stay outside.
unexport $(filter ANSIBLE_% MOLECULE_% OS_% PYTEST_% PYTHON% UV_TARGET UV_PREFIX UV_SYSTEM_PYTHON UV_CONSTRAINT UV_OVERRIDE, $(.VARIABLES))
unexport VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_NO_INDEX GIT_DIR GIT_WORK_TREE CDPATH BASH_ENV ENV
export PYTHON
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export LC_ALL := C.UTF-8
ifneq ($(shell test -w "$${HOME:-/nonexistent}" && echo writable), writable)
export HOME := $(CURDIR)/.build/home
endif

CI := tests/support/ci
COLLECTION := .build/ansible_collections/xenstack/image_services
IN_COLLECTION := cd $(COLLECTION) &&

.PHONY: help demo demo-stop demo-clean test units integration bench lint sanity package matrix molecule lock clean

help: ## Show what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | column -t -s '|'

demo: .venv/.stamp .build/collection ## Deploy Keystone and Glance under .demo/ and keep an image in two stores
	.venv/bin/ansible-playbook playbooks/demo.yml

demo-stop: .venv/.stamp .build/collection ## End the services of the demo
	.venv/bin/ansible-playbook playbooks/demo_stop.yml

demo-clean: ## End the services of the demo and remove all of it
	@! test -e .demo || { $(MAKE) demo-stop && rm -rf .demo; }

test: units integration ## Run every test that needs no container engine

units: .venv-test/.stamp .build/collection
	.venv-test/bin/python -m pytest tests/unit --junitxml=.test/logs/units.xml

integration: .venv-test/.stamp .build/collection
	.venv-test/bin/python -m pytest tests/integration --junitxml=.test/logs/integration.xml

bench: .venv/.stamp .build/collection ## Measure, and write the tables in docs/benchmarks.md
	.venv/bin/python tests/benchmarks/run.py

lock: ## Lock requirements/*.in again
	$(CI)/lock.sh

clean: demo-clean ## Remove everything that make made
	rm -rf .test .build .venv .venv-*

.build/collection:
	@mkdir -p .build/home $(dir $(COLLECTION)) .test/logs
	@ln -sfn ../../.. $(COLLECTION)
	@touch $@

.venv/.stamp: requirements/runtime.txt
	@$(CI)/venv.sh .venv $<

.venv-newest/.stamp: requirements/test-newest.txt
	@$(CI)/venv.sh .venv-newest $< newest

.venv-%/.stamp: requirements/%.txt
	@$(CI)/venv.sh .venv-$* $<
