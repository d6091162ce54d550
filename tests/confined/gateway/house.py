"""A gateway that may be killed at any instant, and all that it leaves behind.

``python -m tests.confined.gateway.house`` is a process that forks gateways, one after the other, and to which whatever
they start falls when they have ended: it is a subreaper (PR_SET_CHILD_SUBREAPER(2const)). It has imported what gateways
take and started none of gRPC, so that a new one serves in a tenth of a second. ``House`` is its owner's side.
"""

from __future__ import annotations

import json
import logging
import os
import pkgutil
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    from typing import NoReturn, Self

ROOT = Path(__file__).parents[3]
SECONDS = 30
"""In which everything that is waited for has happened."""


class House:
    """The owner's side: a folder with state, configuration and data of its own; ``pid`` is the gateway's."""

    def __init__(self, folder: Path) -> None:
        """Start no gateway yet."""
        self.folder = folder
        self.data = folder / "data/openshell"
        self.clock = folder / "clock"
        folder.chmod(0o755)  # sandboxes of another uid pass through
        self.own = {f"XDG_{name.upper()}_HOME": str(folder / name) for name in ("config", "state", "data", "cache")}
        self.own |= {"HOME": str(folder), "HOUSE_CLOCK": str(self.clock), "HOUSE_LOG": str(folder / "gateway.log")}
        self.environment = {**os.environ, **self.own, "PYTHONPATH": f"{ROOT}:{ROOT}/src"}
        for name in ("OPENSHELL_GATEWAY", "OPENSHELL_GATEWAY_ENDPOINT"):
            self.environment.pop(name, None)
        self._is_whole = True
        self.pid = 0
        self.told: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if not self._is_whole:
            return self
        command = [sys.executable, "-m", "tests.confined.gateway.house"]
        settings: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=self.environment, cwd="/", **settings)
        return self

    def __exit__(self, *_: object) -> None:
        """End all that is left, without mercy."""
        for pid in self.ask("left") or ():
            _kill(pid)
        if self._is_whole:
            self._process.communicate()

    def rooms(self, folder: Path) -> House:
        """Return one with other folders, and the same process: for one after the other."""
        made = House(folder)
        made._is_whole, made._process = False, self._process
        return made

    def ask(self, what: str, *given: Any) -> Any:
        """Have the process do something; return what came of it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([what, *given]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    @property
    def state(self) -> Path:
        """Our part of the state folder, as the gateway sees it: what is mounted there we do not see."""
        around = f"/proc/{self._process.pid}/root" if os.geteuid() == 0 else ""
        return Path(f"{around}{self.folder}/state/openshell")

    def start(self, *patches: tuple[str, float], **limits: int) -> Self:
        """Start a gateway, and wait until it serves. Raises what it says instead.

        ``patches`` are names of constants with what they shall be, ``limits`` names of RLIMIT.
        """
        self.told = self.attempt(*patches, **limits)
        if "error" in self.told:
            raise AssertionError(f"{self.told['error']}\n{self.log}")
        self.pid = self.told["pid"]
        return self

    def attempt(self, *patches: tuple[str, float], **limits: int) -> dict[str, Any]:
        """Start a gateway; return what it says, an ``error`` where it does not serve."""
        return dict(self.ask("start", self.own, patches, limits))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the gateway, and wait until it is gone."""
        _kill(self.pid, number)
        self.ask("gone", self.pid)

    @property
    def log(self) -> str:
        """What gateways have said."""
        return (self.folder / "gateway.log").read_text(errors="replace")

    @property
    def token(self) -> str:
        """What a call to the plaintext address needs."""
        return (self.state / "gateway/token").read_text().strip()

    def template(self) -> int:
        """The process that plans sandboxes, or 0."""
        return next((pid for pid in children(self.pid) if b"supervisor/__main__" in cmdline(pid)), 0)

    def cradle(self) -> int:
        """The process that forks supervisors, or 0."""
        return next(iter(children(self.template())), 0)

    def supervisors(self) -> list[int]:
        """The supervisors of all sandboxes: also those that have lost the process which forked them."""
        template = self.template()
        found = [*self.children(), *(children(self.cradle()) if template else ())]
        return [pid for pid in found if is_leader(pid) and pid != template]

    def children(self) -> list[int]:
        """What has fallen to the house: the gateway, and whatever has no other parent any more."""
        self.ask("left")  # which reaps
        return children(self._process.pid)

    def left(self) -> list[int]:
        """All processes that gateways have started, and those that these have."""
        return list(self.ask("left"))

    def nothing_is_left(self) -> list[str]:
        """Wait until no process is left; return those that are after all, in words."""
        until = time.monotonic() + SECONDS
        while (left := self.left()) and time.monotonic() < until:
            select.select([], [], [], 0.01)
        return [f"{pid} {cmdline(pid)!r}" for pid in left]


def children(pid: int) -> list[int]:
    """Return the children of a process, of all its threads."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def beneath(pid: int) -> list[int]:
    """Return all processes beneath one."""
    return [one for child in children(pid) for one in (child, *beneath(child))]


def cmdline(pid: int) -> bytes:
    """Return the arguments of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def is_leader(pid: int) -> bool:
    """Whether it began a session, as a supervisor and a template do."""
    try:
        return os.getsid(pid) == pid and b"supervisor/__main__" in cmdline(pid)
    except ProcessLookupError:
        return False


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


# The process itself.


def main() -> None:
    """Do as told, line by line, until nobody tells any more."""
    _patch_clock()
    from pyopenshell.gateway import main as gateway
    from pyopenshell.kernel import namespaces, process

    process.set_child_subreaper()
    if os.geteuid() == 0:
        namespaces.unshare(namespaces.CLONE_NEWNS)
        namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE, None)
    for line in sys.stdin:
        what, *given = json.loads(line)
        if what == "start":
            answer: Any = _start(gateway, *given)
        elif what == "gone":
            answer = _gone(*given)
        elif what == "left":
            _reap()
            answer = beneath(os.getpid())
        else:
            answer = subprocess.run(["/bin/sh", "-c", what, "sh", *given], stdin=subprocess.DEVNULL).returncode
        print(json.dumps(answer), flush=True)
    while left := children(os.getpid()):  # whoever told has gone: nothing is left to others
        for pid in left:
            _kill(pid)
        _reap()


def _start(
    gateway: Any, own: dict[str, str], patches: list[tuple[str, float]], limits: dict[str, int]
) -> dict[str, Any]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.environ.update(own)
        for name, value in patches:
            place, _, constant = name.rpartition(".")
            setattr(pkgutil.resolve_name(place), constant, (value,) if constant == "__defaults__" else value)
        _serve(gateway, limits, write)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read()
    return json.loads(told) if told else {"error": "it was killed", "pid": pid}


def _serve(gateway: Any, limits: dict[str, int], write: int) -> NoReturn:
    code = 1
    try:
        for name, most in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        for fd, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY)):
            os.dup2(os.open(os.devnull, flags), fd)
        os.dup2(os.open(os.environ["HOUSE_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        logging.basicConfig(level=logging.WARNING)

        def ready(told: object) -> None:
            os.write(write, json.dumps(told).encode())
            os.close(write)

        gateway.run(gateway.Options(name=None, tls=None, plaintext="127.0.0.1:0"), ready)
        code = 0
    except Exception as error:
        if not isinstance(error, OpenShellError):
            traceback.print_exc()
        os.write(write, json.dumps({"error": str(error), "pid": os.getpid()}).encode())
    finally:
        os._exit(code)


def _patch_clock() -> None:
    """Have the clock show so many seconds more as a file says; none where there is no such file."""
    real, real_ns = time.time, time.time_ns

    def shift() -> float:
        try:
            return float(Path(os.environ["HOUSE_CLOCK"]).read_text())
        except (FileNotFoundError, ValueError):
            return 0.0

    time.time = lambda: real() + shift()
    time.time_ns = lambda: real_ns() + int(shift() * 1e9)


def _gone(pid: int) -> bool:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            return True
        select.select([], [], [], 0.002)
    return False


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main()
