#!/usr/bin/env bash
# What `make demo` shows: an agent whose work succeeds and whose forbidden work is denied, what its sandbox might do,
# and the same for a CUDA-shaped program. VENV names the environment with openshell in it.
set -euo pipefail

examples=$(cd "$(dirname "$0")" && pwd)
openshell=$(cd "${VENV:-.venv}" && pwd)/bin/openshell

# A folder of its own: whoever the sandbox runs as must be able to enter it, and may not be able to enter this one.
scratch=$(mktemp -d /var/tmp/openshell-demo.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/work"
cp "$examples/agent.py" "$scratch/work/"
# The policies stay outside of the folder that the sandboxes may write: they must not rewrite their own.
cp -r "$examples/policies" "$scratch/policies"

if command -v cc >/dev/null; then
    cc -O2 -pthread -o "$scratch/work/thread-names" "$examples/thread-names.c"
else
    echo "no C compiler here: thread-names is the Python version"
    install -m 755 "$examples/thread_names.py" "$scratch/work/thread-names"
fi

# Root's sandboxes never run as root: they run as the account named sandbox, or else as the owner of the folder.
if [ "$(id -u)" = 0 ]; then
    owner=nobody
    if id sandbox >/dev/null 2>&1; then owner=sandbox; fi
    chown -R "$owner": "$scratch"
    echo "you are root: the sandboxes run as $owner, who owns $scratch/work"
fi
cd "$scratch/work"

# Print a command as one would type it, and run it.
step() {
    printf '\n$ openshell'
    printf ' %s' "$@"
    printf '\n'
    "$openshell" "$@"
}

title() {
    printf '\n== %s\n' "$1"
}

title "An agent: its work succeeds, everything else is denied"
step run --name demo-agent --policy ../policies/agent.yaml -- python3 agent.py
title "What its sandbox might do, and why"
step policy get demo-agent --full

title "A CUDA-shaped program, with the permissions of a GPU sandbox and no device"
step run --name demo-cuda --gpu 0 --policy ../policies/cuda.yaml -- ./thread-names
title "What its sandbox might do, and why"
step policy get demo-cuda --full

title "Done. The records stay: $openshell sandbox inspect demo-agent"
