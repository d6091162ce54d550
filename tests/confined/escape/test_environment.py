"""Variables of the caller's pass only by name, and no value is ever recorded."""

import contextlib
import os
from pathlib import Path

import pytest

from tests.confined.launch import world

VALUE = "value-that-nobody-may-see"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "NVIDIA_API_KEY", "LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "SSH_AUTH_SOCK")
SETTINGS = {"LC_ALL": "C.UTF-8", "CUDA_VISIBLE_DEVICES": "0", "TZ": "UTC"}
CODE = "answer |= os.environ"


@pytest.fixture
def caller(sandbox):
    """The command, started by someone with secrets in their environment."""
    own = sandbox.environment.get("PYTHONPATH")
    sandbox.environment |= SETTINGS | dict.fromkeys(SECRETS, f"/{VALUE}")
    sandbox.environment["PYTHONPATH"] = os.pathsep.join(filter(None, (own, f"/{VALUE}")))
    return sandbox


def recorded(state):
    """Everything that is written in any file of the state folder; of old runs, which may be going just now, nothing."""
    parts = []
    for folder, names, files in os.walk(state):
        names[:] = [name for name in names if not name.startswith(".del-")]
        for name in files:
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                parts += [path.read_bytes()] if path.is_file() else []  # a door is a FIFO
    return b"".join(parts)


def test_secrets_stay_outside(caller):
    """Neither a credential nor what steers the loader or the interpreter comes in; plain settings do."""
    inside = caller.ask(CODE, "--name", "secrets")
    assert set() == set(SECRETS) & set(inside)
    assert [] == [name for name, value in inside.items() if VALUE in value]
    assert SETTINGS == {name: inside.get(name) for name in SETTINGS}
    assert VALUE.encode() not in recorded(caller.state)


def test_what_is_named_passes_and_is_recorded_by_name(caller):
    """``--env NAME`` takes the caller's value, ``--env NAME=VALUE`` its own; the record has the names alone."""
    inside = caller.ask(CODE, "--name", "named", "--env", "AWS_SECRET_ACCESS_KEY", "--env", f"TOKEN=set-{VALUE}")
    assert (f"/{VALUE}", f"set-{VALUE}") == (inside["AWS_SECRET_ACCESS_KEY"], inside["TOKEN"])
    assert {"AWS_SECRET_ACCESS_KEY", "TOKEN"} <= set(caller.record("named").meta["environment"])
    assert b"AWS_SECRET_ACCESS_KEY" in recorded(caller.state)
    assert VALUE.encode() not in recorded(caller.state)


def test_another_processes_environment_is_closed(everywhere, bystander):
    """Also through ``/proc``: what a process of the same uid was started with."""
    code = 'answer["read"] = attempt(os.open, f"/proc/{given[\'pid\']}/environ", os.O_RDONLY)'
    is_hidden = everywhere.world == world.NAMESPACES
    assert {"read": "ENOENT" if is_hidden else "EACCES"} == everywhere.ask(code, pid=bystander.pid)
