"""A host that fails a gateway: full disks, clocks that jump, numbers of processes used again, few descriptors."""

import json
import os
import signal
import subprocess

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

import grpc
from openshell._proto import openshell_pb2 as messages

from pyopenshell.testing import require
from tests.confined.gateway import house as household
from tests.confined.gateway.faults import ALIVE, Client, wait_for

YEAR = 365 * 24 * 3600
SILENT = [(f"pyopenshell.supervisor.{place}.PATIENCE", 0.3) for place in ("reach", "supervised")]


@pytest.fixture
def house(built, tmp_path_factory):
    """A folder that sandboxes can enter, for gateways of this test."""
    require(namespaces=True)
    with built.rooms(tmp_path_factory.mktemp("host")) as made:
        yield made


def phases(client):
    """The sandboxes that are listed, by name."""
    return {row.metadata.name: row.status.phase for row in client.rows()}


def refused(call, *given, **more):
    """The status and the words of a call that fails."""
    code, words = outcome(call, *given, **more)
    assert code
    return code, words


def outcome(call, *given, **more):
    """The status and the words of a call; None and nothing for one that succeeds."""
    try:
        call(*given, **more)
    except grpc.RpcError as error:
        return error.code(), str(error.details())
    return None, ""


def nothing_is_left(client, house):
    """Delete all, end the gateway, and see what is left."""
    for row in client.rows():
        client.delete(row.metadata.name)
    client.channel.close()
    house.kill(signal.SIGTERM)
    assert [] == house.nothing_is_left()
    assert "Traceback" not in house.log


def test_full_disk(house):
    """What cannot be written is refused, says so, and leaves nothing; what runs goes on; with room all is as before."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    mounted = house.ask('mkdir -p "$1" && mount -t tmpfs -o size=6m,mode=700 tmpfs "$1"', f"{house.folder}/state")
    if mounted != 0:
        pytest.skip("needs: mount")
    client = Client(house.start())
    client.create("before", "sleep", "1000")
    house.ask('cat /dev/zero > "$1/fill"', f"{house.folder}/state")
    code, words = refused(client.create, "during")
    assert grpc.StatusCode.UNAVAILABLE == code, words
    assert "room" in words or "space" in words
    assert ["before"] == list(phases(client))
    assert (0, b"on\n") == client.execute("before", "echo", "on")
    house.kill()
    client.channel.close()
    told = house.attempt()
    house.ask('rm "$1/fill"', f"{house.folder}/state")
    if "error" in told:  # it says why, and begins when there is room
        assert "room" in told["error"] or "No space" in told["error"]
        house.start()
    else:
        house.told, house.pid = told, told["pid"]
    client = Client(house)
    assert {"before": ALIVE[0]} == phases(client)
    client.create("during")
    client.stop("before")
    client.start("before")
    nothing_is_left(client, house)


def test_folder_that_cannot_be_written(house):
    """A gateway does not start on a read-only folder, and says why; sandboxes go on, and the next one finds them."""
    client = Client(house.start())
    client.create("stays", "sleep", "1000")
    client.channel.close()
    house.kill()
    place = f"{house.folder}/state"
    if os.geteuid() == 0:
        house.ask('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', place)
    else:
        house.ask('chmod -R a-w "$1"', place)
    told = house.attempt()
    assert place in told["error"]
    assert "Traceback" not in told["error"]
    house.ask('umount "$1"' if os.geteuid() == 0 else 'chmod -R u+w "$1"', place)
    client = Client(house.start())
    assert (0, b"on\n") == client.execute("stays", "echo", "on")
    nothing_is_left(client, house)


def test_one_gateway_for_a_folder(house):
    """Of several that start on one state folder one serves, and the others name it; it is not disturbed."""
    with house.rooms(house.folder) as other:
        client = Client(house.start())
        client.create("only")
        told = other.attempt()
        assert f"process {house.pid}" in told["error"]
        assert ["only"] == list(phases(client))
        client.channel.close()
        house.kill()
        client = Client(other.start())
        assert {"only": ALIVE[0]} == phases(client)
        assert f"process {other.pid}" in house.attempt()["error"]
        client.delete("only")
        client.channel.close()
        other.kill()


def test_numbers_of_processes_that_are_used_again(house):
    """A record that names another process as its supervisor, alive or dead, does that no harm, and hides nothing."""
    client = Client(house.start())
    client.create("dead")
    client.create("alive")
    supervisors = dict.fromkeys(house.supervisors())
    victim = next(iter(supervisors))
    with subprocess.Popen(["sleep", "1000"]) as innocent:
        house.kill()
        client.channel.close()
        os.kill(victim, signal.SIGKILL)
        for record in (house.state / "runs").glob("0*"):
            meta = json.loads((record / "meta.json").read_text())
            (record / "meta.json").write_text(json.dumps({**meta, "supervisor_pid": innocent.pid}))
        client = Client(house.start())
        assert sorted([ALIVE[0], messages.SANDBOX_PHASE_ERROR]) == sorted(phases(client).values())
        nothing_is_left(client, house)
        assert innocent.poll() is None
        innocent.kill()


def test_clock_that_jumps(house):
    """Years ahead and back again: sandboxes are found, run programs, are listed in order, and new ones can be made."""
    client = Client(house.start())
    client.create("a0", "sleep", "1000")
    for number, shift in enumerate((YEAR, -YEAR, -20 * YEAR, 0), 1):
        house.clock.write_text(str(shift))
        assert (0, b"on\n") == client.execute("a0", "echo", "on")
        client.create(f"a{number}")
        house.kill()
        client.channel.close()
        client = Client(house.start())
        assert (0, b"on\n") == client.execute(f"a{number}", "echo", "on")
    assert {f"a{number}": ALIVE[0] for number in range(5)} == phases(client)
    assert [] == [name for name in phases(client) if client.attach("a0") is None]
    nothing_is_left(client, house)


def test_few_descriptors(house):
    """With too few descriptors calls fail with a reason, and what there is goes on; nothing is lost of that."""
    client = Client(house.start(NOFILE=64))
    made: list[str] = []
    code, words = None, ""
    while code is None:
        code, words = outcome(client.create, f"few{len(made)}")
        made += [] if code else [f"few{len(made)}"]
    assert made
    assert "defect" not in words
    code, words = outcome(client.execute, made[0], "true")
    assert code is None or "descriptors" in words
    house.kill()
    client.channel.close()
    client = Client(house.start())
    assert (0, b"on\n") == client.execute(made[-1], "echo", "on")
    found = phases(client)
    assert dict.fromkeys(made, ALIVE[0]) == {name: found.pop(name, None) for name in made}
    assert {messages.SANDBOX_PHASE_ERROR} >= set(found.values())  # what could neither be made nor be removed
    nothing_is_left(client, house)


def test_supervisor_that_was_stopped(house):
    """Calls to it fail in time and name it, others are served; the next gateway serves too, and finds it later."""
    client = Client(house.start(*SILENT))
    client.create("stopped")
    (supervisor,) = house.supervisors()
    client.create("goes-on")
    os.kill(supervisor, signal.SIGSTOP)
    code, words = refused(client.execute, "stopped", "true")
    assert (grpc.StatusCode.UNAVAILABLE, True) == (code, f"process {supervisor}" in words), words
    assert (0, b"on\n") == client.execute("goes-on", "echo", "on")
    house.kill()
    client.channel.close()
    client = Client(house.start(*SILENT, ("pyopenshell.gateway.recovery.AT_ONCE", 0.2)))
    assert {"stopped": messages.SANDBOX_PHASE_ERROR, "goes-on": ALIVE[0]} == phases(client)
    os.kill(supervisor, signal.SIGCONT)
    assert [] == wait_for(lambda: [phases(client)] if phases(client)["stopped"] != ALIVE[0] else [])
    assert (0, b"on\n") == client.execute("stopped", "echo", "on")
    os.kill(supervisor, signal.SIGSTOP)
    client.stop("stopped")  # it goes on to that end
    assert [] == wait_for(lambda: [pid for pid in house.supervisors() if pid == supervisor])
    assert messages.SANDBOX_PHASE_STOPPED == phases(client)["stopped"]
    nothing_is_left(client, house)


def test_machinery_that_was_stopped(house):
    """While the process that plans sandboxes is stopped, what runs is served; when it goes on, so does the launch."""
    client = Client(house.start())
    client.create("first")
    os.kill(house.template(), signal.SIGSTOP)
    waiting = client.call.CreateSandbox.future(messages.CreateSandboxRequest(name="second"), timeout=60)
    for _ in range(3):
        assert (0, b"on\n") == client.execute("first", "echo", "on")
    os.kill(house.template(), signal.SIGCONT)
    assert "second" == waiting.result().sandbox.metadata.name
    assert household.cmdline(house.template())
    nothing_is_left(client, house)
