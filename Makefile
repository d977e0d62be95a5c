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

# Downloads trust what this machine trusts, the authority of a company's proxy included, and come from the index that is configured for pip or uv
# (both of uv's names, as its releases know one or the other). What the caller has set stays.
TRUST := $(firstword $(wildcard $(SSL_CERT_FILE) /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt))
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1
ifneq ($(TRUST),)
export PIP_CERT ?= $(TRUST)
export NODE_EXTRA_CA_CERTS ?= $(TRUST)
endif
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
else ifdef UV_DEFAULT_INDEX
export PIP_INDEX_URL := $(UV_DEFAULT_INDEX)
endif

CI := tests/support/ci
# Each has a cloud of its own. Tests wait for services a third of the time, so that three are busy on two cores.
INTEGRATION_PROCESSES ?= 3
COLLECTION := .build/ansible_collections/xenstack/image_services

# The programs that each stamp in .build represents, in the form that packages.sh takes.
PROGRAMS_qemu-img := qemu-img:qemu-utils
PROGRAMS_qemu-system := qemu-system-x86_64:qemu-system-x86
# Tells tests which files a program opens.
PROGRAMS_strace := strace
# The simulated pool makes its certificate with it.
PROGRAMS_openssl := openssl
# The host that Dom0 plugins are installed on in tests is one of these.
PROGRAMS_openssh := /usr/sbin/sshd:openssh-server ssh:openssh-client busybox:busybox-static
# The servers alone: the tests run them below a directory of their own.
PROGRAMS_databases := initdb:postgresql /usr/sbin/mariadbd:mariadb-server-core
# A client of pools of another project, for the tests of the simulated one, is installed with it.
PROGRAMS_node := node:nodejs npm
STAMPS := $(patsubst PROGRAMS_%,.build/%,$(filter PROGRAMS_%,$(.VARIABLES)))

.PHONY: help demo demo-stop demo-clean demo-needs test test-needs small units driver filter integration sweep coverage bench bench-quick sanity package newest molecule lock xapi-facts clean demo-check lock-check docs picture recording stores-guide playbooks-guide doc-fragments xapi-client ee
.PHONY: lint lint-python lint-types lint-imports lint-shell lint-yaml lint-ansible lint-docs lint-changelog lint-licences lint-workflows lint-words

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

# What this machine lacks is said, or installed, at once and first of all.
demo-needs:
	@$(CI)/packages.sh python $(PROGRAMS_openssl)

test-needs:
	@$(CI)/packages.sh python git $(foreach stamp,$(STAMPS),$(PROGRAMS_$(notdir $(stamp))))

demo: demo-needs .venv/.stamp .build/collection .build/openssl ## Deploy Keystone, Glance and a simulated Xen pool under .demo/, with an image and a VM of it
	@playbooks/files/demo_place.sh .demo
	.venv/bin/ansible-playbook playbooks/demo.yml
	@.demo/bin/images
	@cat playbooks/files/demo_try.txt

demo-stop: .venv/.stamp .build/collection ## End the services of the demo
	.venv/bin/ansible-playbook playbooks/demo_stop.yml

demo-clean: ## End the services of the demo and remove all of it
	@! test -e .demo || { $(MAKE) demo-stop && rm -rf "$$(readlink -f .demo)" .demo; }

demo-check: ## Run the demo twice in a copy of this checkout, as an ordinary user, and remove it
	$(CI)/demo.sh

# Integration tests wait for services now and then: the others compute meanwhile.
test: test-needs .venv-test/.stamp .venv-cinder/.stamp .venv-glance/.stamp .build/collection .build/xen-api $(STAMPS) ## Run every test that needs no container engine
	@$(MAKE) --keep-going -j 2 small integration

small:
	@failed=; for tests in units driver filter; do $(MAKE) $$tests || failed=1; done; test -z "$$failed"

units: .build/qemu-img .build/strace .build/openssl .build/xen-api .venv-test/.stamp .build/collection
	.venv-test/bin/python -m pytest tests/unit -n 2 --dist loadfile --junitxml=.test/logs/units.xml

integration: .build/databases .build/qemu-img .build/strace .build/qemu-system .build/openssl .build/openssh .venv-test/.stamp .venv-cinder/.stamp .build/collection
	.venv-test/bin/python -m pytest tests/integration -n $(INTEGRATION_PROCESSES) --dist loadgroup --no-loadscope-reorder --junitxml=.test/logs/integration.xml

driver: .build/qemu-img .build/strace .build/openssl .venv-cinder/.stamp .build/collection
	.venv-cinder/bin/python -m pytest tests/unit/roles/cinder_xenapinfs --junitxml=.test/logs/driver.xml

filter: .build/databases .venv-glance/.stamp
	.venv-glance/bin/python -m pytest tests/unit/roles/glance_instance_aware --junitxml=.test/logs/filter.xml

sweep: .build/databases .venv-glance/.stamp .build/qemu-img .build/strace .build/openssl .build/openssh .venv-test/.stamp .venv-cinder/.stamp .build/collection ## Run all cases of the tests of which other runs draw a few
	IMAGE_SERVICES_SWEEP=1 .venv-test/bin/python -m pytest $$(grep -rlE 'support(\.| import )sweep' tests/unit tests/integration --include='test_*.py') tests/unit/roles/xen_dom0_plugins \
		-n 2 --dist loadfile --junitxml=.test/logs/sweep.xml
	IMAGE_SERVICES_SWEEP=1 .venv-glance/bin/python -m pytest tests/unit/roles/glance_instance_aware --junitxml=.test/logs/sweep-filter.xml
	IMAGE_SERVICES_SWEEP=1 .venv-cinder/bin/python -m pytest tests/unit/roles/cinder_xenapinfs/test_driver_faults.py --junitxml=.test/logs/sweep-driver.xml

coverage: .venv-test/.stamp ## Run the tests of make test, and say how much of plugins and role packages they reach
	@rm -rf .test/coverage && mkdir -p .test/coverage
	COVERAGE_ROOT=$(CURDIR) COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(CURDIR)/.test/coverage/data $(MAKE) --keep-going test
	COVERAGE_ROOT=$(CURDIR) .venv-test/bin/python tests/support/ci/coverage_total.py .test/coverage

bench: .venv-test/.stamp .build/collection .build/qemu-img .build/openssl ## Measure, and write the tables in docs/benchmarks.md
	.venv-test/bin/python tests/benchmarks/run.py

bench-quick: .venv-test/.stamp .build/collection .build/qemu-img .build/openssl ## Run the benchmarks in small sizes, to see that each of them works
	.venv-test/bin/python tests/benchmarks/run.py --quick

docs: .venv-docs/.stamp .build/collection ## Build the documentation site in .build/docs
	$(CI)/docs.sh

picture: .venv-docs/.stamp ## Write the diagram of the front page as the file that the README shows
	.venv-docs/bin/python $(CI)/picture.py write

recording: ## Record the demo in a terminal, as the file that the README shows
	$(CI)/recording.sh

stores-guide: .venv-lint/.stamp ## Write the tables of options in docs/docsite/rst/guide_stores.rst
	.venv-lint/bin/python $(CI)/stores_guide.py write

playbooks-guide: .venv-lint/.stamp ## Write the tables of variables in docs/docsite/rst/guide_playbooks.rst
	.venv-lint/bin/python $(CI)/playbooks_guide.py write

doc-fragments: .venv-lint/.stamp ## Write the fragments of documentation that hold the options of others as suboptions
	.venv-lint/bin/python $(CI)/doc_fragments.py write

XAPI_CLIENT := plugins/module_utils/_xapi/client.py roles/cinder_xenapinfs/files/cinder_xenapinfs/client.py

xapi-client: ## Copy the client of pools into the package of the Cinder driver, which imports nothing of the collection
	cp $(XAPI_CLIENT)

LINT := export PATH="$(CURDIR)/.venv-lint/bin:$$PATH";

lint: lint-python lint-types lint-imports lint-shell lint-yaml lint-ansible lint-docs lint-changelog lint-licences lint-workflows lint-words ## Check style, types, documentation, changelog and licences

lint-python: .venv-lint/.stamp
	.venv-lint/bin/ruff check .
	.venv-lint/bin/black --check --quiet --diff .
	@cmp $(XAPI_CLIENT) || { echo "The two must be the same file: change the first one, then run make xapi-client."; exit 1; }

lint-types: .venv-lint/.stamp .build/collection
	.venv-lint/bin/mypy --cache-dir .build/mypy -p ansible_collections.xenstack.image_services.plugins
	.venv-lint/bin/mypy --cache-dir .build/mypy roles/xapi_simulator/files/xapi_simulator
	.venv-lint/bin/mypy --cache-dir .build/mypy roles/cinder_xenapinfs/files/cinder_xenapinfs
	MYPYPATH=roles/glance_instance_aware/files .venv-lint/bin/mypy --cache-dir .build/mypy -p glance_instance_aware

lint-imports: .venv-lint/.stamp
	PYTHONPATH=plugins .venv-lint/bin/lint-imports --no-logo --cache-dir .build/imports

lint-shell: .venv-lint/.stamp
	.venv-lint/bin/shellcheck .ci/run $(CI)/*.sh molecule/*/files/*.sh

lint-yaml: .venv-lint/.stamp
	.venv-lint/bin/yamllint --strict .

# ansible-lint installs the collection in the home directory, and would find that copy when it is no longer like this checkout.
lint-ansible: .venv-lint/.stamp .build/collection
	@rm -rf .build/home-lint
	$(LINT) HOME="$(CURDIR)/.build/home-lint" ansible-lint

lint-docs: .venv-lint/.stamp .build/collection
	$(LINT) cd $(COLLECTION) && antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
	.venv-lint/bin/python $(CI)/stores_guide.py check
	.venv-lint/bin/python $(CI)/playbooks_guide.py check
	.venv-lint/bin/python $(CI)/doc_fragments.py check

lint-changelog: .venv-lint/.stamp .build/collection
	$(LINT) cd $(COLLECTION) && antsibull-changelog lint

lint-licences: .venv-lint/.stamp
	$(CI)/tree.sh .build/licences
	.venv-lint/bin/reuse --root .build/licences/ansible_collections/xenstack/image_services lint --lines

lint-workflows: .venv-lint/.stamp
	.venv-lint/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv-lint/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	.venv-lint/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml, $(wildcard .github/ISSUE_TEMPLATE/*.yml))
	.venv-lint/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	.venv-lint/bin/zizmor --offline --quiet --strict-collection .github

lint-words: .venv-lint/.stamp
	.venv-lint/bin/python $(CI)/words.py
	git ls-files -z | xargs -0 .venv-lint/bin/codespell

sanity: .venv-lint/.stamp ## Run ansible-test's sanity tests
	$(CI)/sanity.sh .venv-lint

package: .venv-lint/.stamp ## Build the collection, install it into an empty environment, and read its documentation there
	$(CI)/package.sh

ee: .venv-ee/.stamp package ## Build an execution environment with the collection, and try it, as root
	$(CI)/ee.sh

newest: .venv-newest/.stamp .venv-lint/.stamp .build/collection .build/qemu-img .build/strace .build/openssl ## Run what may depend on the version of ansible-core and Python on the newest of both
	.venv-newest/bin/python -m pytest --junitxml=.test/logs/newest.xml tests/unit/plugins tests/unit/playbooks tests/unit/roles/test_*.py \
		tests/integration/test_targets.py
	$(CI)/sanity.sh .venv-newest --test import --test compile --test validate-modules

molecule: .venv-molecule/.stamp .build/collection ## Deploy the roles in systemd containers, as root
	$(CI)/molecule.sh $(SCENARIO)

lock: ## Lock requirements/*.in again
	$(CI)/lock.sh

lock-check: ## Refuse locks that are not what requirements/*.in ask for
	$(CI)/lock.sh check

xapi-facts: .venv-test/.stamp ## Write what tests know of XAPI's published data model, from MODEL=<directory of xenapi.json and xapi_errors.json>
	.venv-test/bin/python tests/support/xapi_facts.py "$(MODEL)"

clean: demo-clean ## Remove everything that make created
	@for control in .test/cloud*/*/bin/*-service; do ! test -x "$$control" || "$$control" stop; done
	@for pid in .test/cinder-*/pid; do ! test -e $$pid || $$(tests/support/ci/python.sh) tests/support/cinder_control.py stop $${pid%/pid}; done
	rm -rf .test .build .venv .venv-*

.build/collection:
	@mkdir -p .build/home $(dir $(COLLECTION))
	@ln -sfn ../../.. $(COLLECTION)
	@touch $@

$(STAMPS): .build/%:
	@$(CI)/packages.sh $(PROGRAMS_$*)
	@mkdir -p .build && touch $@

.build/xen-api: tests/support/xen_api/package-lock.json .build/node
	@mkdir -p $@ && cp $(<D)/package*.json $@ && npm ci --silent --prefix $@ --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.venv/.stamp: requirements/runtime.txt
	@$(CI)/venv.sh .venv $<

.venv/.stamp .venv-test/.stamp .venv-molecule/.stamp: tests/support/ci/quick_tasks.py

.venv-newest/.stamp: requirements/test-newest.txt tests/support/ci/quick_tasks.py
	@$(CI)/venv.sh .venv-newest $< newest

.venv-%/.stamp: requirements/%.txt
	@$(CI)/venv.sh .venv-$* $<
