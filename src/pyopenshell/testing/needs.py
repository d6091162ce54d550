"""What a test takes of this machine, and how to say that it is missing."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

from pyopenshell.devices.host import Broker, Host, Namespaces
from pyopenshell.errors import GpuError, OpenShellError

PATIENCE = 60
"""Seconds that measuring this machine may take."""


def require(
    *,
    abi: int | None = None,
    namespaces: bool = False,
    broker: bool = False,
    gpu: int | None = None,
    root: bool = False,
) -> None:
    """Skip the test that calls this, under pytest and unittest alike, where this machine lacks what it takes.

    The arguments are those of ``missing``; the reason is ``needs: `` and what that says. Raises unittest.SkipTest,
    and OpenShellError where this machine cannot be measured.
    """
    lack = missing(abi=abi, namespaces=namespaces, broker=broker, gpu=gpu, root=root)
    if lack:
        raise unittest.SkipTest(f"needs: {lack}")


def missing(
    *,
    abi: int | None = None,
    namespaces: bool = False,
    broker: bool = False,
    gpu: int | None = None,
    root: bool = False,
) -> str | None:
    """Return the first of these that this machine does not have, in words, or None where it has all of them.

    ``abi``: at least this ABI of Landlock. ``namespaces``: those a sandbox is made of, as this process may make them.
    ``broker``: one for CUDA's thread names. ``gpu``: at least as many GPUs. ``root``: that this process is root's.
    Namespaces and broker are tried, once, in a process of their own. Raises OpenShellError where that fails.
    """
    if root and os.geteuid() != 0:
        return "root"
    if abi is not None and measured().landlock_abi < abi:
        return f"Landlock ABI {abi}, and this kernel has {measured().landlock_abi or 'no Landlock'}"
    if namespaces:
        made = measured().namespaces
        lacking = [name for name in ("mount", "pid", "net", "ipc") if not getattr(made, name)]
        if lacking:
            return f"namespaces ({', '.join(lacking)}): {made.reason}"
    if broker and measured().broker.state not in ("available", "outer"):
        return f"a broker: {measured().broker.reason}"
    return _no_gpu(gpu) if gpu else None


def _no_gpu(count: int) -> str | None:
    from pyopenshell.devices.choose import choose

    try:
        choose(count, (), (), os.environ)
    except GpuError as error:
        return f"{count} GPUs: {error.message}" if count > 1 else f"a GPU: {error.message}"
    return None


@functools.cache
def measured() -> Host:
    """Return what this machine answers to all that a launch asks of it, tried once in a process of its own.

    Not here: a process that has threads should not fork (os.fork). Raises OpenShellError where nothing came of it.
    """
    code = f"from {__name__} import tell; tell()"
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OpenShellError(f"this machine cannot be measured: {why}", hint="'openshell doctor' may tell more")
    told: dict[str, Any] = json.loads(done.stdout)
    namespaces, broker = Namespaces(**told.pop("namespaces")), Broker(**told.pop("broker"))
    return Host(**told, namespaces=namespaces, broker=broker)


def tell() -> None:
    """Measure, and write it to the standard output as JSON."""
    from pyopenshell.launch import facts, identity
    from pyopenshell.launch.broker_trial import BrokerTrial
    from pyopenshell.policy.load import default

    who, lock = identity.resolve(default(), "/", "testing")
    trial = BrokerTrial(who)
    try:
        host = facts.host().replace(broker=trial.result())
    finally:
        trial.close()
        if lock is not None:
            os.close(lock)
    os.write(1, json.dumps(host.as_dict()).encode())
