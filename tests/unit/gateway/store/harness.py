"""What the tests of the store share: things to store, and processes that store them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyopenshell.gateway.store import Provider, Revision, Sandbox

ROOT = Path(__file__).parents[4]


def sandbox(id_="one", **changes):
    """A sandbox that can be stored; its name is its id, unless given."""
    made = Sandbox(
        id=id_,
        workspace="default",
        name=id_,
        labels={"team": "a"},
        annotations={},
        spec=b"\x00\xff",
        phase="PROVISIONING",
        reason="",
        message="",
        run_id=None,
        exit_code=None,
        workdir=None,
        policy_version=0,
        restarts=0,
        resource_version=1,
        created=1_700_000_000_000,
        main_started=None,
        request_id="",
    )
    return made.replace(**changes)


def revision(sandbox_id="one", version=1, status="pending"):
    """A revision of a sandbox's policy."""
    return Revision(sandbox_id, version, f"hash {version}", "version: 1\n", status, "", 5, None, {})


def provider(name="keys", **changes):
    """A provider with a credential."""
    made = Provider(
        id=f"id of {name}",
        workspace="default",
        name=name,
        type="generic",
        labels={},
        credentials={"API_KEY": "hunter2-secret"},
        config={"region": "eu"},
        expirations={},
        resource_version=1,
        created=7,
    )
    return made.replace(**changes)


def start(script, *arguments, wrapper=()):
    """Start Python with a script that may use this file's functions; its input and output are pipes."""
    head = "import sys\nfrom pyopenshell.gateway.store import *\nfrom tests.unit.gateway.store.harness import *\n"
    return subprocess.Popen(
        [*wrapper, sys.executable, "-c", head + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
    )


def with_mounts(mounts, script, *arguments):
    """Run a script in a mount namespace of its own, in which a shell command mounted something; return its output."""
    unshare = [shutil.which("unshare") or pytest.skip("needs: unshare(1)"), "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("needs: namespaces")
    process = start(script, *arguments, wrapper=[*unshare, "sh", "-c", f'{mounts} && exec "$@"', "sh"])
    output, _ = process.communicate(timeout=60)
    assert 0 == process.returncode, output
    return output.splitlines()
