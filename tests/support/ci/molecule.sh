#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# molecule.sh [scenario ...]: runs the whole test sequence of each scenario (default: all of them). Several run beside each other,
# as many as memory allows; each prints its output in one piece when it ends, and it is kept in .test/logs.
set -euo pipefail
# Each scenario is a process group, so that it ends as a whole.
set -m

export PATH=$PWD/.venv-molecule/bin:$PATH CONTAINERS_CONF=$PWD/.config/molecule/containers.conf
export MOLECULE_GLOB="$PWD/molecule/*/molecule.yml"
[ -t 1 ] || export NO_COLOR=1 ANSIBLE_NOCOLOR=1 COLUMNS=160
# molecule writes an ansible.cfg for each scenario.
unset ANSIBLE_CONFIG

# Deploys on empty hosts, and keeps the images that the others start from.
readonly FIRST=glance_stores LONGEST=glance_stores_remote
# Services of a scenario, with those of a second host or of a cluster.
readonly MEBIBYTES=3000 MOST=3
readonly LOGS=.test/logs

declare -A running=() started=() seen=()
failed=()

start() {
    started[$1]=$SECONDS
    echo "molecule $1: started"
    molecule test --scenario-name "$1" </dev/null >"$LOGS/molecule-$1.log" 2>&1 &
    running[$1]=$!
}

# Names the step that each scenario has come to.
report() {
    local scenario step
    for scenario in "${!running[@]}"; do
        step=$(sed -n 's/^INFO .*> \([a-z]*\)\] Executing.*/\1/p' "$LOGS/molecule-$scenario.log" | tail -n 1)
        [ "$step" != "${seen[$scenario]:-}" ] || continue
        seen[$scenario]=$step
        echo "molecule $scenario: $step, after $((SECONDS - started[$scenario])) s"
    done
}

# Tells how those ended that have ended.
collect() {
    local scenario how
    for scenario in "${!running[@]}"; do
        ! kill -0 "${running[$scenario]}" 2>/dev/null || continue
        how=ok
        wait "${running[$scenario]}" || { how=FAILED && failed+=("$scenario"); }
        unset "running[$scenario]"
        cat "$LOGS/molecule-$scenario.log"
        echo "molecule $scenario: $how after $((SECONDS - started[$scenario])) s"
    done
}

# Whether a scenario finds the image that it starts from, or would wait for it in vain.
is_ready() {
    [ "$1" != "$FIRST" ] && [ -n "${running[$FIRST]:-}" ] || return 0
    podman image exists "$(tests/support/ci/deployed.sh name "$(sed -n 's/^ *suite: *//p' "molecule/$1/molecule.yml")")"
}

end() {
    local scenario
    for scenario in "${!running[@]}"; do
        kill -TERM -- "-${running[$scenario]}" 2>/dev/null || true
    done
}

if [ "$(id -u)" != 0 ]; then
    echo "Cannot run containers with systemd as an ordinary user. Run it as root." >&2
    exit 1
fi
# netavark calls iptables without depending on it.
tests/support/ci/packages.sh podman runc mmdebstrap netavark iptables aardvark-dns ssh:openssh-client
mkdir -p "$LOGS"
if [ "$#" = 0 ]; then
    set -- "$FIRST" "$LONGEST"
    for scenario in molecule/*/molecule.yml; do
        scenario=$(basename "${scenario%/molecule.yml}")
        [ "$scenario" = "$FIRST" ] || [ "$scenario" = "$LONGEST" ] || set -- "$@" "$scenario"
    done
fi
if [ "$#" = 1 ]; then
    exec molecule test --scenario-name "$1"
fi

available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
places=$((available / MEBIBYTES))
places=$((places > MOST ? MOST : places < 1 ? 1 : places))
# Both releases at the same time; what goes wrong here, the scenario meets again and tells.
mapfile -t suites < <(sed -n 's/^ *suite: *//p' .config/molecule/config.yml)
for suite in "${suites[@]}"; do
    tests/support/ci/image.sh "$suite" >/dev/null 2>&1 &
done
wait || true
trap end EXIT
trap 'exit 130' INT TERM
pending=("$@")
while [ "${#pending[@]}" -gt 0 ] || [ "${#running[@]}" -gt 0 ]; do
    for number in "${!pending[@]}"; do
        [ "${#running[@]}" -lt "$places" ] || break
        if is_ready "${pending[number]}"; then
            start "${pending[number]}"
            unset "pending[number]"
        fi
    done
    sleep 1
    report
    collect
done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "Failed: ${failed[*]}" >&2
    exit 1
fi
