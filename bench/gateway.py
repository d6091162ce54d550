"""What sandboxes cost that a gateway keeps: made, used and deleted by OpenShell's own client, over TLS.

Launches are held against ``bwrap --unshare-pid --unshare-net``, output against a server that does nothing but stream
(``bench.bare_stream``). All of it is seen from a client, as integrations see it.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from bench import bwrap, processes
from bench.measured import Row
from bench.warm import TRUE, environment

ROUNDS = 40
"""Sandboxes that are made, and programs that are run in one, of which medians are taken."""
ALIVE = 200
SECONDS = 10
"""For how long the idle ones are watched."""
DELETED = 1000
PIECE, PIECES, STREAMS = 1 << 16, 2000, 9
"""Bytes of a piece of output, as pipes have it, how many are sent, and how often."""
GATEWAY = """
from pyopenshell.gateway import main
main.run(main.Options(tls="127.0.0.1:0", name="bench"), lambda told: print(told["tls"], flush=True))
"""


class Gateway(NamedTuple):
    """One that runs, its client, and where its files are."""

    pid: int
    address: str
    client: Any
    state: str
    config: str


def measure(apart: str, env: dict[str, str]) -> list[Row]:
    """Measure all of it."""
    if not bwrap.program():
        print("no bubblewrap here: a gateway's sandboxes are not measured", file=sys.stderr)
        return []
    folder = f"{apart}/gateway"
    places = {f"XDG_{name}_HOME": f"{folder}/{name.lower()}" for name in ("STATE", "CONFIG", "DATA")}
    with environment(env | places), _gateway(places) as gateway:
        return [*_launches(gateway), _output(gateway), *_alive(gateway), *_rounds(gateway)]


@contextlib.contextmanager
def _gateway(places: dict[str, str]) -> Iterator[Gateway]:
    from openshell import SandboxClient

    for place in places.values():
        os.makedirs(place)
    command = [sys.executable, "-I", "-c", GATEWAY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            sys.exit("the gateway did not start")
        client = SandboxClient.from_active_cluster()
        state, config = (f"{places[f'XDG_{name}_HOME']}/openshell" for name in ("STATE", "CONFIG"))
        yield Gateway(process.pid, address, client, state, config)
        for name in client.list_all(workspace="default"):
            client.delete(name.name, workspace="default")
        client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _create(gateway: Gateway, name: str, *, broker: bool = False) -> None:
    from openshell._proto import openshell_pb2

    spec = openshell_pb2.SandboxSpec()
    if broker:
        spec.resource_requirements.gpu.count = 0
    gateway.client.create(workspace="default", name=name, spec=spec)
    gateway.client.wait_ready(name, workspace="default")


def _delete(gateway: Gateway, name: str) -> None:
    gateway.client.delete(name, workspace="default")


def _timed(action: Callable[..., object], *arguments: Any, **more: Any) -> float:
    """Return the milliseconds that something takes."""
    begin = time.perf_counter()
    action(*arguments, **more)
    return (time.perf_counter() - begin) * 1e3


def _bubble() -> None:
    words = [bwrap.program() or "bwrap", "--unshare-pid", "--unshare-net", "--dev-bind", "/", "/", TRUE]
    _, status = os.waitpid(os.posix_spawn(words[0], words, os.environ), 0)
    if status:
        sys.exit("bubblewrap failed")


def _launches(gateway: Gateway) -> Iterator[Row]:
    """Make sandboxes, run programs and run bubblewrap, in turns."""
    times: list[tuple[float, float, float, float]] = []
    for number in range(-3, ROUNDS):
        name = f"one{number + 3}"
        made = _timed(_create, gateway, name)
        used = min(_timed(gateway.client.exec, name, [TRUE], workspace="default") for _ in range(2))
        deleted = _timed(_delete, gateway, name)
        bubble = min(_timed(_bubble) for _ in range(2))
        if number >= 0:
            times.append((made, used, deleted, bubble))
    made, used, deleted, bubble = (statistics.median(column) for column in zip(*times, strict=True))
    yield Row("gateway: create to running / bwrap", made / bubble, 8, f"{made:.1f} ms / {bubble:.1f} ms")
    yield Row("gateway: exec of /bin/true / bwrap", used / bubble, 2, f"{used:.1f} ms / {bubble:.1f} ms")
    yield Row("gateway: delete / bwrap", deleted / bubble, None, f"{deleted:.1f} ms / {bubble:.1f} ms")


def _output(gateway: Gateway) -> Row:
    """Read a program's output, and as much from a server that only streams, in turns, by gRPC's own client.

    OpenShell's keeps all that comes until the program has ended, which takes as long again.
    """
    from openshell._proto import openshell_pb2, openshell_pb2_grpc

    _create(gateway, "output")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bare_stream.py")
    command = [sys.executable, script, f"{gateway.state}/gateway/tls", str(PIECE), str(PIECES)]
    bare = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    run = ["head", "-c", str(PIECE * PIECES), "/dev/zero"]
    request = openshell_pb2.ExecSandboxRequest(sandbox="output", command=run)
    try:
        port = int(bare.stdout.readline()) if bare.stdout else 0
        with _channel(gateway, gateway.address) as ours, _channel(gateway, f"127.0.0.1:{port}") as theirs:
            execute = openshell_pb2_grpc.OpenShellStub(ours).ExecSandbox
            stream: Any = theirs.unary_stream(
                "/bench.Bare/Stream", response_deserializer=openshell_pb2.ExecSandboxEvent.FromString
            )
            pairs = [(_timed(_take, execute(request)), _timed(_take, stream(b""))) for _ in range(STREAMS)]
    finally:
        bare.kill()
        bare.wait()
        _delete(gateway, "output")
    mine, other = (PIECE * PIECES / 1e3 / statistics.median(column) for column in zip(*pairs, strict=True))
    return Row("a bare grpc.aio stream / output of exec", other / mine, 2, f"{other:.0f} MB/s / {mine:.0f} MB/s")


def _take(stream: Iterator[Any]) -> None:
    size = sum(len(event.stdout.data) for event in stream)
    if size != PIECE * PIECES:
        sys.exit(f"{size} bytes came of {PIECE * PIECES}")


def _channel(gateway: Gateway, address: str) -> Any:
    import grpc

    read = {}
    for name in ("ca.crt", "tls.key", "tls.crt"):
        with open(f"{gateway.config}/gateways/bench/mtls/{name}", "rb") as file:
            read[name] = file.read()
    credentials = grpc.ssl_channel_credentials(read["ca.crt"], read["tls.key"], read["tls.crt"])
    return grpc.secure_channel(address, credentials)


def _alive(gateway: Gateway) -> Iterator[Row]:
    """Have many alive, with brokers, and look at their memory and what they do of their own accord."""
    for number in range(ALIVE):
        _create(gateway, f"alive{number}", broker=True)
    pids = _sandboxed(gateway)
    if os.getuid() == 0:
        each = sum(processes.share(pid) for pid in pids) / ALIVE
        yield Row(
            f"gateway: memory of a sandbox with broker at {ALIVE}, MiB",
            each,
            4,
            f"PSS of {len(pids) / ALIVE:g} processes",
        )
    else:
        print("the memory of a gateway's sandboxes is not measured: only root may look at it", file=sys.stderr)
    before, begin = processes.spent(pids), time.perf_counter()
    time.sleep(SECONDS)
    took = (processes.spent(pids) - before) / processes.NANO / (time.perf_counter() - begin)
    yield Row(f"gateway: processor time of {ALIVE} idle ones, %", took * 100, 1, f"of one, by {len(pids)} processes")
    for number in range(ALIVE):
        _delete(gateway, f"alive{number}")


def _sandboxed(gateway: Gateway) -> list[int]:
    """Return the processes of all sandboxes: their supervisors are told by their records, and all else is beneath."""
    import json

    found = []
    for name in os.listdir(f"{gateway.state}/runs"):
        with open(f"{gateway.state}/runs/{name}/meta.json", "rb") as file:
            pid = json.load(file).get("supervisor_pid", 0)
        if os.path.exists(f"/proc/{pid}"):
            found += [pid, *processes.descendants(pid)]
    return found


def _rounds(gateway: Gateway) -> Iterator[Row]:
    """Make and delete many, and look what is left: after a few, and at the end."""

    def one(number: int) -> None:
        _create(gateway, f"round{number}")
        gateway.client.exec(f"round{number}", [TRUE], workspace="default")
        _delete(gateway, f"round{number}")

    for number in range(DELETED // 5):
        one(number)
    before = _left(gateway)
    for number in range(DELETED):
        one(number)
    after = _left(gateway)
    grown = {name: after[name] - before[name] for name in after}
    what = f"gateway: left by {DELETED} sandboxes"
    yield Row(f"{what}, MiB", grown["memory"], 4, f"{before['memory']:.0f} MiB before, gateway and template")
    yield Row(f"{what}, processes", grown["processes"], 0, f"{before['processes']} before")
    yield Row(
        f"{what}, files and descriptors",
        grown["files"] + grown["open"],
        0,
        f"{before['files']} and {before['open']} before",
    )


def _left(gateway: Gateway) -> dict[str, float]:
    time.sleep(2)  # what was ended is reaped, and old records are removed
    ours = [gateway.pid, *processes.descendants(gateway.pid)]
    files = sum(len(names) for _folder, _folders, names in os.walk(os.path.dirname(gateway.state)))
    return {
        "memory": sum(processes.share(pid) for pid in ours) if os.getuid() == 0 else 0.0,
        "processes": len(ours),
        "files": files,
        "open": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in ours),
    }
