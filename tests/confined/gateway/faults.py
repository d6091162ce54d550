"""Rounds in which a process is killed at a random instant of a call, and what must be true after each of them."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from openshell._proto import openshell_pb2 as messages
from openshell._proto import openshell_pb2_grpc

from pyopenshell.gateway.proto import inspection_pb2, inspection_pb2_grpc
from pyopenshell.runs import RunView
from tests.confined.gateway import house as household
from tests.confined.torture import scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.confined.gateway.house import House

NAMES = tuple(f"{name}-{os.getpid()}" for name in ("ann", "bob", "cid"))
"""Of this process alone: identities are locked for the whole host."""
ALIVE = (messages.SANDBOX_PHASE_READY, messages.SANDBOX_PHASE_COMPLETED)
OVER = (messages.SANDBOX_PHASE_STOPPED, messages.SANDBOX_PHASE_ERROR)
LONGEST = {"create": 0.3, "start": 0.15, "exec": 0.03, "attach": 0.03, "stop": 0.06, "delete": 0.08, "update": 0.03}
"""Seconds within which a process is killed once a call has begun: what that takes, and a little more."""
ALLOWED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}
"""What a call may be answered of which something was killed, or whose turn came too late."""


def connect(house: House) -> grpc.Channel:
    """Return a channel to a house's gateway."""
    local = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    token = grpc.access_token_call_credentials(house.token)
    return grpc.secure_channel(house.told["plaintext"], grpc.composite_channel_credentials(local, token))


def spec(*command: str, gpu: int | None = None) -> messages.SandboxSpec:
    """Return what a sandbox is to be, with a broker where ``gpu`` is a number."""
    made = messages.SandboxSpec(command=command)
    made.policy.version = 1
    made.policy.filesystem.include_workdir = True
    if gpu is not None:
        made.resource_requirements.gpu.count = gpu
    return made


class Client:
    """A gateway, as a client sees it."""

    def __init__(self, house: House) -> None:
        """Connect to the gateway that runs."""
        self.channel = connect(house)
        self.call = openshell_pb2_grpc.OpenShellStub(self.channel)
        self.inspect = inspection_pb2_grpc.InspectionStub(self.channel)

    def create(self, name: str, *command: str, gpu: int | None = None, **more: Any) -> messages.Sandbox:
        """Make a sandbox."""
        made = spec(*command, gpu=gpu)
        request = messages.CreateSandboxRequest(name=name, spec=made, **more)
        answer: messages.SandboxResponse = self.call.CreateSandbox(request, timeout=60)
        return answer.sandbox

    def rows(self) -> list[messages.Sandbox]:
        """Return all sandboxes."""
        return list(self.call.ListSandboxes(messages.ListSandboxesRequest(page_size=1000), timeout=30).sandboxes)

    def stop(self, name: str) -> None:
        """Stop a sandbox."""
        self.call.StopSandbox(messages.StopSandboxRequest(name=name), timeout=60)

    def start(self, name: str) -> None:
        """Start a sandbox."""
        self.call.StartSandbox(messages.StartSandboxRequest(name=name), timeout=60)

    def delete(self, name: str) -> None:
        """Delete a sandbox."""
        self.call.DeleteSandbox(messages.DeleteSandboxRequest(name=name), timeout=60)

    def execution(self, name: str, *command: str, **more: Any) -> messages.ExecSandboxRequest:
        """Return the request to run a program."""
        return messages.ExecSandboxRequest(sandbox=name, command=command, **more)

    def sessions(self, name: str) -> list[inspection_pb2.Session]:
        """Return the programs of a sandbox."""
        return list(self.inspect.ListSessions(inspection_pb2.ListSessionsRequest(sandbox=name), timeout=30).sessions)

    def execute(self, name: str, *command: str) -> tuple[int, bytes]:
        """Run a program; return its exit code, and what it wrote."""
        code, output = -1, b""
        for event in self.call.ExecSandbox(self.execution(name, *command), timeout=60):
            output += event.stdout.data + event.stderr.data
            if event.HasField("exit"):
                code = event.exit.exit_code
        return code, output

    def attach(self, name: str, session: int = 0) -> Any:
        """Attach to a program; return the call, which yields what it writes."""
        start = inspection_pb2.AttachStart(sandbox=name, session=session, replay=True)
        return self.inspect.AttachSession(_first(inspection_pb2.AttachInput(start=start)), timeout=60)

    def update(self, name: str, host: str) -> None:
        """Allow a sandbox to speak to a host."""
        request = messages.UpdateConfigRequest(sandbox=name)
        rule = request.merge_operations.add().add_rule
        rule.rule_name = host
        rule.rule.endpoints.add(host=f"{host}.example.com", port=443)
        self.call.UpdateConfig(request, timeout=60)

    def declared(self, name: str) -> str:
        """Return the policy of a sandbox as it was declared."""
        request = inspection_pb2.GetEffectivePolicyRequest(sandbox=name)
        return str(self.inspect.GetEffectivePolicy(request, timeout=30).declared_yaml)


def _first(message: Any) -> Iterator[Any]:
    yield message
    threading.Event().wait(30)  # no more is said, and the call is not half closed


class Known:
    """What was acknowledged of a sandbox. ``there``: whether it is; None where a call about that did not succeed."""

    def __init__(self) -> None:
        """It is not there."""
        self.there: bool | None = False
        self.id = ""
        self.hosts: list[str] = []


class World:
    """A house with a gateway in it, what was acknowledged there, and who kills."""

    def __init__(self, house: House, name: str) -> None:
        """Begin, with random numbers of this name's own."""
        self.house = house
        self.random = random.Random(f"{scale.SEED} {name}")
        self.known = {one: Known() for one in NAMES}
        self.before = _dynamic_ids()
        self.count = 0
        self.client = Client(house.start())

    # One round.

    def rounds(self, count: int, victims: tuple[str, ...]) -> list[str]:
        """Go round so often; return what was not true after one of them, and what was done in that."""
        calls = [(one, at) for one in LONGEST for at in scale.instants(max(1, count // len(LONGEST)), 1.0, one)]
        self.random.shuffle(calls)
        for call, at in calls:
            victim = self.random.choice(victims)
            name = self.random.choice(NAMES)
            story = f"round {self.count}: {call} {name}, {victim} killed after {at * LONGEST[call] * 1000:.1f} ms"
            wrong = self.round(call, name, victim, at * LONGEST[call])
            if wrong:
                return [story, *wrong]
        return []

    def round(self, call: str, name: str, victim: str, after: float) -> list[str]:
        """Make a call, and kill somebody in the midst of it; return what is not true afterwards."""
        self.count += 1
        self.prepare(call, name)
        trouble: list[str] = []
        thread = threading.Thread(target=self.make, args=(call, name, trouble))
        thread.start()
        thread.join(after)
        killed = self.victims(victim)
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        thread.join(60)
        if thread.is_alive():
            return ["the call does not end"]
        if self.house.pid in killed:
            self.house.ask("gone", self.house.pid)
            self.client.channel.close()
            self.client = Client(self.house.start())
        return trouble or self.settled()

    def prepare(self, call: str, name: str) -> None:
        """Have what the call is about, most of the time."""
        known = self.known[name]
        if call == "create":
            if known.there:
                self.acknowledged("delete", name)
        elif not known.there:
            self.acknowledged("create", name)
        phase = {row.metadata.name: row.status.phase for row in self.client.rows()}.get(name)
        if call in ("exec", "attach", "stop", "update") and phase in OVER:
            self.client.start(name)
        if call == "start" and phase in ALIVE:
            self.client.stop(name)

    def make(self, call: str, name: str, trouble: list[str]) -> None:
        """Make a call, of which something may be killed."""
        try:
            self.acknowledged(call, name)
        except grpc.RpcError as error:
            # What was killed may have been the first process of a sandbox: that is told as a failure to start it.
            if error.code() not in ALLOWED and "cannot start the sandbox" not in str(error.details()):
                trouble.append(f"{call} {name} fails with {error.code()}: {error.details()}")
        except AssertionError as error:
            trouble.append(f"{call} {name}: {error}")

    def acknowledged(self, call: str, name: str) -> None:
        """Make a call, and know what was acknowledged."""
        known, client = self.known[name], self.client
        if call == "create":
            known.there = None
            command = ("sh", "-c", "echo begun; exec sleep 1000") if self.random.random() < 0.5 else ()
            known.id = client.create(name, *command, gpu=0 if self.random.random() < 0.4 else None).metadata.id
            known.there, known.hosts = True, []
        elif call == "delete":
            known.there = None
            client.delete(name)
            known.there = False
        elif call == "update":
            host = f"h{self.count}"
            client.update(name, host)
            known.hosts.append(host)
        elif call == "exec":
            word = f"word-{self.count}"
            code, output = client.execute(name, "sh", "-c", f"sleep 1000 & echo {word}")
            assert (code, output) in ((0, f"{word}\n".encode()), (137, b""), (137, f"{word}\n".encode())), (
                code,
                output,
            )
        elif call == "attach":
            answers = client.attach(name)
            try:
                next(answers)
            except StopIteration:
                pass
            except grpc.RpcError as error:
                if "session" not in str(error.details()):  # it has no main process
                    raise
            finally:
                answers.cancel()
        else:
            getattr(client, call)(name)

    def victims(self, who: str) -> list[int]:
        """Return processes of a kind, of which there may be none just now."""
        house = self.house
        if who in ("gateway", "template", "cradle"):
            pid = house.pid if who == "gateway" else getattr(house, who)()
            return [pid] if pid else []
        supervisors = house.supervisors()
        if who == "all":
            return [house.pid, *supervisors]
        below = [household.beneath(pid) for pid in supervisors]
        some = supervisors if who == "supervisor" else [pids[0] for pids in below if pids]
        if who == "inside":
            some = [pids[-1] for pids in below if pids]
        return [self.random.choice(some)] if some else []

    # What must be true.

    def settled(self) -> list[str]:
        """Wait until all is true; return what is not after all."""
        return wait_for(self.wrong)

    def wrong(self) -> list[str]:
        """Return what is not true (yet)."""
        rows = {row.metadata.name: row for row in self.client.rows()}
        found = self._rows(rows)
        runs = {view.id: view for view in map(RunView, map(str, (self.house.state / "runs").glob("0*")))}
        ids = {row.metadata.id: row for row in rows.values()}
        alive = []
        for view in runs.values():
            id_ = view.meta().get("sandbox_id")
            if id_ not in ids:
                found.append(f"the record {view.id} is of a sandbox that is not listed")
            if view.state in ("starting", "running"):
                alive.append(id_)
        for id_, row in ids.items():
            if alive.count(id_) != (row.status.phase in ALIVE):
                found.append(f"{row.metadata.name} in phase {row.status.phase} has {alive.count(id_)} runs")
        found += self._left(alive, set(ids), {view.id.lower() for view in runs.values() if view.state == "running"})
        return found

    def _rows(self, rows: dict[str, messages.Sandbox]) -> list[str]:
        found = []
        for name, known in self.known.items():
            row = rows.get(name)
            if known.there is None:  # what became of it is told now
                known.there, known.hosts = row is not None, []
                known.id = row.metadata.id if row else ""
            if known.there != (row is not None):
                found.append(f"{name} is {'lost' if known.there else 'there again'}")
            if row is None:
                continue
            if row.metadata.id != known.id:
                found.append(f"{name} is another one")
            if row.status.phase not in (*ALIVE, *OVER):
                found.append(f"{name} stays in phase {row.status.phase}")
            elif row.status.phase in ALIVE:
                try:
                    if self.client.execute(name, "true")[0] != 0:
                        found.append(f"{name} runs nothing")
                except grpc.RpcError as error:  # its end is not known yet
                    found.append(f"{name} runs nothing: {error.details()}")
            declared = self.client.declared(name)
            found += [f"{name} has no revision with {host}" for host in known.hosts if host not in declared]
        return found + [f"{name} is nobody's" for name in rows if name not in self.known]

    def _left(self, alive: list[Any], ids: set[str], running: set[str]) -> list[str]:
        house = self.house
        found = []
        supervisors = house.supervisors()
        if len(supervisors) != len(alive):
            found.append(f"there are {len(supervisors)} supervisors of {len(alive)} sandboxes")
        found += [
            f"process {pid} is nobody's: {household.cmdline(pid)!r}"
            for pid in house.children()
            if pid not in (*supervisors, house.pid)
        ]
        folders = {path.name for path in (house.data / "sandboxes").glob("*")}
        if folders - ids:
            found.append(f"folders are left: {folders - ids}")
        for place in ("/tmp", "/var/tmp"):
            left = {path.name.removeprefix("openshell-") for path in Path(place).glob("openshell-0*")}
            mine = {path.name.lower() for path in (house.state / "runs").glob("0*")}
            found += [f"{place}/openshell-{one} is left" for one in (left & mine) - running]
        return found

    def end(self) -> list[str]:
        """Delete all, end the gateway; return what is left of anything."""
        for row in self.client.rows():
            self.client.delete(row.metadata.name)
        wrong = []
        for name in NAMES:  # they can be used again
            self.client.create(name)
            self.client.delete(name)
        wrong += [f"{row.metadata.name} is still listed" for row in self.client.rows()]
        self.client.channel.close()
        self.house.kill(signal.SIGTERM)
        wrong += self.house.nothing_is_left()
        for folder in (self.house.state / "runs", self.house.state / "names", self.house.data / "sandboxes"):
            wrong += [f"{path} is left" for path in folder.glob("[!.]*")]
        wrong += [f"dynamic id {one} is left" for one in _dynamic_ids() - self.before]
        if "Traceback" in self.house.log or "defect" in self.house.log:
            wrong.append(self.house.log[-3000:])
        return wrong


def _dynamic_ids() -> set[str]:
    """Return the ids of these sandboxes: tests of others may run beside."""
    found = set()
    for path in Path("/run/systemd/dynamic-uid").glob("6*"):
        with contextlib.suppress(OSError):
            found |= {path.name} if path.read_text().strip() in NAMES else set()
    return found


def wait_for(wrong: Callable[[], list[str]], seconds: float = household.SECONDS) -> list[str]:
    """Wait until nothing is wrong any more; return what is after all."""
    until = time.monotonic() + seconds
    while (found := wrong()) and time.monotonic() < until:
        select.select([], [], [], 0.01)
    return found
