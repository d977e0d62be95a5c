#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sanity.sh <virtual environment>: every sanity test of the ansible-core in there, on every Python that is found.
set -euo pipefail

venv=$PWD/$1
work=$PWD/.build/sanity/$(basename "$venv")
tests/support/ci/tree.sh "$work"

# ansible-test fetches pip from a host of its own; it is given the same version from the package index instead.
cache=$work/home/.ansible/test/cache
version=$("$venv/bin/python" -c 'from ansible_test._internal.python_requirements import get_venv_packages as packages
from types import SimpleNamespace
print(packages(SimpleNamespace(version="3.11"))["pip"])')
if [ ! -e "$cache/pip-$version-py3-none-any.whl" ]; then
    mkdir -p "$cache"
    .venv-lint/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$cache" "pip==$version"
fi
cp tests/support/ci/get_pip.py "$cache/get_pip_${version//./_}.py"

# A version manager's shims exist for Pythons that they do not run; its real interpreters are put in their place.
path=
IFS=: read -ra parts <<<"$PATH"
for part in "${parts[@]}"; do
    [[ $part == */shims ]] || path+=:$part
done
for directory in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin; do
    [ ! -d "$directory" ] || path+=:$directory
done

# ansible-test asks git for the files, and must not meet the checkout around it, which ignores them.
git init --quiet "$work/ansible_collections/xenstack/image_services"
cd "$work/ansible_collections/xenstack/image_services"
export HOME=$work/home PATH=$venv/bin$path
unset ANSIBLE_CONFIG
exec ansible-test sanity --color no "${@:2}"
