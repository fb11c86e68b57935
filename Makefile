# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors

# Everything that is made here lies in .build and .venv.
build := $(CURDIR)/.build
collection := .build/collections/ansible_collections/fleetpki/host_trust
runs-containers := podman runc netavark aardvark-dns firewall openssl
containers := $(runs-containers) buildah mmdebstrap debian-keyring trust p11-kit-trust
judges := certtool openssl
space := $(subst ,, )

# What `make test` runs, and what it leaves to `make test-rest`, in the order of what it guards. Two parts with a + between
# them are made side by side. A part integration-X is the integration tests with the marker X (pyproject.toml).
parts_of_test := lint+docs units integration
parts_of_rest := integration-faults integration-platforms integration-roles integration-clients \
	integration-rotation+molecule versions integration-versions integration-registry integration-pipelines \
	integration-documentation host-pythons integration-load
markers := $(filter-out platforms,$(patsubst integration-%,%,$(filter integration-%,$(subst +, ,$(parts_of_rest)))))
linters := lint-ansible lint-types lint-yaml lint-python lint-shell lint-spelling lint-licences lint-changelog lint-docs \
	lint-plans

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export LC_ALL := C.UTF-8
export MAKE
export IMAGES

# What runs here sees this checkout as the collection, and nothing that the user has set up for own work.
export ANSIBLE_CONFIG := $(CURDIR)/tools/ansible.cfg
export ANSIBLE_HOME := $(build)/ansible
export ANSIBLE_COLLECTIONS_PATH := $(build)/collections
export HYPOTHESIS_STORAGE_DIRECTORY := $(build)/hypothesis

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 16

quickstart: $(collection)  ## the whole story on this machine: no root, no containers
	@tools/system-packages openssl
	@tools/make-venv requirements/quickstart.txt .build/venv-quickstart
	@.build/venv-quickstart/bin/ansible-playbook fleetpki.host_trust.quickstart -e quickstart_engine=strict

test: venv  ## what each change must pass: a quarter of an hour, with what each part took at the end
	-@tools/system-packages $(containers) $(judges)
	@tools/run-parts --prepare hosts-of-test $(parts_of_test)

test-rest: venv  ## all that make test leaves out, in the order of what it guards
	-@tools/system-packages $(containers) $(judges)
	@tools/run-parts --prepare hosts $(parts_of_rest)

test-all: venv  ## both
	-@tools/system-packages $(containers) $(judges)
	@tools/run-parts --prepare hosts $(parts_of_test) $(parts_of_rest)

lint: venv $(collection)  ## all linters, side by side
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target $(linters)

lint-yaml: venv
	yamllint --strict .

lint-ansible: venv $(collection)
	ansible-lint

lint-python: venv
	ruff check

lint-shell:
	@tools/system-packages shellcheck || echo 'skipped: shellcheck, which is not here'
	@! command -v shellcheck >/dev/null || git grep -lE '^#!.*(/| )(ba)?sh$$' | xargs shellcheck

lint-types: venv $(collection)
	mypy

lint-spelling: venv
	git ls-files -z --cached --others --exclude-standard | xargs -0 codespell

lint-licences: venv
	REUSE_ENCODING_MODULE=charset_normalizer reuse lint --lines

lint-changelog: venv
	antsibull-changelog lint
	antsibull-changelog lint-changelog-yaml changelogs/changelog.yaml

lint-docs: venv
	antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .

lint-plans:  # and workflows
	@tools/make-venv requirements/plans.txt .build/venv-plans
	.build/venv-plans/bin/tmt lint --outcome-only fail --outcome-only warn
	.build/venv-plans/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

units: venv  ## unit tests, also with the Python of EL 8 where it is here
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target units-here units-3.6

units-here: venv
	pytest -n 2 tests/unit

host-pythons: venv  ## unit tests of what runs on hosts, with the Pythons of EL 9 and 10 where they are here
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target units-3.9 units-3.12

units-%: venv
	tools/host-units $*

sanity: venv  ## ansible-test sanity
	python tools/sanity.py

versions: venv  ## the controller's units, sanity and the whole way of a fleet, with the oldest and the newest ansible-core
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=recurse version-2.16 version-2.21

version-%:
	@PARTS='controller sanity' tools/matrix $*

# Three keep two cores busy: each waits a third of its time.
integration: hosts-of-test  ## the modules and roles against real hosts, most of it on two platforms
	pytest -n 3 --dist worksteal -m 'not ($(subst $(space), or ,$(markers)))' tests/integration

integration-platforms: hosts  ## the same where the platform matters, on the other platforms
	PLATFORMS=others pytest -n 3 --dist worksteal -m platforms tests/integration

# A fleet with every client takes long to start: all tests of a file share one.
dist := worksteal
integration-clients: dist := loadfile --no-loadscope-reorder

integration-%: hosts
	pytest -n 3 --dist $(dist) -m $* tests/integration

integration-registry: hosts  ## images of a registry on the loopback: pulled, completed, and the roles on them
	@tools/system-packages docker-registry
	pytest -m registry tests/integration

# With IMAGES, the hosts are a registry's images, and no other is built.
molecule: $(if $(IMAGES),registry,hosts)  ## the roles against fleets of containers; of a registry: make molecule IMAGES=ubi
	tools/molecule

registry: venv $(collection)
	@tools/system-packages $(runs-containers)

rotation: $(if $(IMAGES),registry,hosts)  ## a CA is replaced under load; it wants the machine for itself, and takes 12 minutes
	tools/molecule rotation

matrix: hosts  ## units, sanity and a short integration with every supported ansible-core
	tools/matrix $(CORES)

bench: hosts  ## speed, side by side
	python tests/benchmarks/trust.py
	python tests/benchmarks/certificates.py

bench-fleet: hosts  ## what fleets cost, up to 100 hosts: make bench-fleet HOSTS=30
	python tests/benchmarks/fleet.py --hosts $(or $(HOSTS),100)

bench-tls: venv  ## signatures, ciphers, handshakes, resumption and keep-alive on this machine; some seconds
	python tests/benchmarks/tls.py

load: hosts  ## much of everything: what it costs, and that twice as much costs twice
	python tests/benchmarks/load.py

kill-everywhere: hosts  ## kills and faults at every system call, of every scenario on every kind of host; an hour
	EVERYWHERE=1 pytest -n 2 tests/integration/test_killed_anywhere.py tests/integration/test_every_fault.py

oracle: venv $(collection)  ## cert_verify's engines against public cases: make oracle LIMBO=FILE PKITS=FILE
	python tests/oracle.py $(LIMBO) $(PKITS)

release: venv $(collection)  ## changelog, commit, tag and artifact: make release VERSION=1.2.0
	python tools/release.py $(VERSION)

fuzz: venv $(collection)  ## 200,000 hostile inputs to every parser of what others wrote; some minutes
	python tests/fuzz/fuzz.py
	python tests/fuzz/openssl_loads.py

fuzz-openssl: hosts  ## 200,000 changed CAs: what our reader accepts, OpenSSL 1.1.1, 3.0 and 3.5 must load; some minutes
	python tests/fuzz/openssl_loads.py --hosts el8 el9 el10

hosts: venv $(collection)  ## the images of the test hosts
	@tools/system-packages $(containers) $(judges)
	python tests/hosts/build.py

hosts-of-test: venv $(collection)  # those that make test needs
	@tools/system-packages $(containers) $(judges)
	python tests/hosts/build.py el8 el9 el10 debian12 debian13

# Sphinx gets the pages as they lie in the repository, so that links lead to the same on GitHub and in the site.
docs: $(collection)  ## the documentation as a site: .build/docs/html/index.html
	@tools/make-venv requirements/docs.txt .build/venv-docs
	@rm -rf .build/docs && mkdir -p .build/docs/source/reference
	@git ls-files -z --cached --others --exclude-standard -- '*.md' LICENSES docs roles \
		| xargs -0 cp --parents --target-directory .build/docs/source
	@mv .build/docs/source/docs/index.md .build/docs/source
	PATH=$(build)/venv-docs/bin:$$PATH antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
		--dest-dir .build/docs/source/reference fleetpki.host_trust
	.build/venv-docs/bin/sphinx-build -q -W --keep-going -n -c docs .build/docs/source .build/docs/html

venv:  ## .venv, with all that the tests need
	@tools/make-venv requirements/test.txt .venv

clean:  ## removes what was made here
	rm -rf .build .venv

$(collection):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

.PHONY: help quickstart test test-rest test-all lint lint-yaml lint-ansible lint-python lint-shell lint-types lint-spelling \
	lint-licences lint-changelog lint-docs lint-plans units units-here host-pythons sanity versions integration \
	integration-platforms integration-registry molecule registry rotation matrix bench bench-fleet bench-tls load \
	kill-everywhere oracle release fuzz fuzz-openssl hosts hosts-of-test docs venv clean
