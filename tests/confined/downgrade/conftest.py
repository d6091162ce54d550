"""One launch with this host's namespaces and one without any, asked everything that a right's absence may change."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyopenshell.devices.host import Namespaces
from pyopenshell.launch import trial
from tests.confined.landlock import harness
from tests.confined.launch import world

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK = """
import fcntl, termios
kept, mine = f"{given['kept']}/file", f"{given['mine']}/file"
def opened(path, flags):
    os.close(os.open(path, flags, 0o666))
def openat2(path):
    how = (ctypes.c_uint64 * 3)(os.O_RDONLY, 0, 0)
    return syscall(given["openat2"], -100, path.encode(), how, 24)
def connect(family, kind, address):
    with socket.socket(family, kind) as client:
        client.connect(address)
def loopback():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        connect(socket.AF_INET, socket.SOCK_STREAM, server.getsockname())
def between(operation, name):
    with open(f"{given['mine']}/{name}", "w"):
        pass
    operation(f"{given['mine']}/{name}", f"{given['other']}/{name}")
for where, path in (("kept", kept), ("mine", mine)):
    answer[f"truncate {where}"] = attempt(os.truncate, path, 0)
    answer[f"O_TRUNC {where}"] = attempt(opened, path, os.O_RDONLY | os.O_TRUNC)
    answer[f"mode 3 {where}"] = attempt(opened, path, 3)
    answer[f"mode 3 O_TRUNC {where}"] = attempt(opened, path, 3 | os.O_TRUNC)
    answer[f"creat {where}"] = attempt(opened, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    answer[f"read {where}"] = attempt(opened, path, os.O_RDONLY)
answer["ftruncate mine"] = attempt(lambda: os.ftruncate(os.open(mine, os.O_RDWR), 1))
answer["openat2 mine"] = openat2(mine)
answer["rename"] = attempt(between, os.rename, "moved")
answer["link"] = attempt(between, os.link, "linked")
answer["ioctl"] = attempt(lambda: fcntl.ioctl(os.open("/dev/null", os.O_RDWR), termios.TCGETS, bytes(64)))
answer["abstract"] = attempt(connect, socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + given["abstract"])
answer["pathname"] = attempt(connect, socket.AF_UNIX, socket.SOCK_STREAM, given["service"])
answer["signal"] = attempt(os.kill, given["bystander"], 0)
answer["loopback"] = attempt(loopback)
answer["host tcp"] = attempt(connect, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", given["port"]))
answer["udp"] = attempt(connect, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", given["port"]))
"""


class Seen(NamedTuple):
    """What one launch reported (``record``) and what really happened inside it (``answer``, an errno's name or ok).

    ``made`` are the namespaces that there could be, ``abi`` is what there was of Landlock.
    """

    world: str
    abi: int
    made: Namespaces
    record: world.Record
    answer: dict[str, str]
    kept: str

    @property
    def gaps(self) -> dict[str, dict[str, Any]]:
        """What the report says of each right that is missing."""
        return {entry["right"]: entry for entry in self.record.effective["landlock"]["dropped"]}

    def finding(self, right: str) -> tuple[str, str, str] | None:
        """Code, severity and message of the finding about a right; None without one."""
        words = f"{right} needs Landlock ABI "
        found = [entry for entry in self.record.effective["findings"] if entry["message"].startswith(words)]
        assert len(found) <= 1
        return (found[0]["code"], found[0]["severity"], found[0]["message"]) if found else None


class Places(NamedTuple):
    """Folders for one sandbox: one granted read-only, one read-write that holds two, one not at all."""

    sandbox: world.Sandbox
    kept: Path
    granted: Path
    outside: Path


@contextmanager
def places(state: Path, kind: str) -> Iterator[Places]:
    """Make the folders, open to everyone by their modes: only the sandbox can deny anything there."""
    top = Path(tempfile.mkdtemp(prefix="openshell-test."))
    names = ("work", "kept", "granted", "granted/mine", "granted/other", "outside", "policies")
    try:
        for folder in (top, *(top / name for name in names)):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        os.chown(top / "work", world.IDENTITY, -1)
        for name in ("kept", "granted/mine"):
            (top / name / "file").write_text("content")
            (top / name / "file").chmod(0o666)
        sandbox = world.Sandbox(top / "work", state, top / "policies")
        sandbox.world = world.WORLDS[kind]
        yield Places(sandbox, top / "kept", top / "granted", top / "outside")
    finally:
        shutil.rmtree(top)


@pytest.fixture(scope="session", params=["namespaces", "no namespaces"])
def seen(request: pytest.FixtureRequest, state_folder: Path) -> Seen:
    """One launch in each world, with an abstract and a pathname socket, a process and a TCP server outside."""
    if harness.ABI == 0:
        pytest.skip("needs: Landlock")
    with ExitStack() as stack:
        here = stack.enter_context(places(state_folder, request.param))
        abstract, service, tcp = (
            stack.enter_context(socket.socket(family)) for family in (socket.AF_UNIX, socket.AF_UNIX, socket.AF_INET)
        )
        abstract.bind(b"")
        service.bind(str(here.outside / "service"))
        (here.outside / "service").chmod(0o666)
        tcp.bind(("127.0.0.1", 0))
        for server in (abstract, service, tcp):
            server.listen()
        bystander = stack.enter_context(harness.bystander(world.IDENTITY if world.IS_ROOT else None))
        name = f"downgrade-{request.param.replace(' ', '-')}"
        answer = here.sandbox.ask(
            ASK,
            *("-q", "-n", name),
            policy=world.policy((here.kept,), (here.granted,), workdir=False),
            kept=here.kept,
            mine=here.granted / "mine",
            other=here.granted / "other",
            openat2=world.number("openat2"),
            abstract=abstract.getsockname()[1:].decode(),
            service=here.outside / "service",
            port=tcp.getsockname()[1],
            bystander=bystander,
        )
        made = trial.namespaces() if request.param == "namespaces" else Namespaces()
        content = (here.kept / "file").read_text()
        return Seen(request.param, harness.ABI, made, here.sandbox.record(name), answer, content)
