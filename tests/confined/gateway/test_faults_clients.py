"""Clients that vanish or take nothing, through a real gateway: what ends with them, what goes on, and what it costs."""

import os
import select
import signal
import subprocess
import sys

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

import grpc
from openshell._proto import openshell_pb2 as messages

from pyopenshell.testing import require
from tests.confined.gateway import house as household
from tests.confined.gateway.faults import Client, wait_for
from tests.confined.torture.household import memory
from tests.confined.torture.scale import instants, many

QUICK = ("pyopenshell.gateway.server.Running.stop.__defaults__", 0.2)
"""A gateway that is told to end waits so long for its clients."""
CLIENT = """
import sys
from tests.confined.gateway.faults import Client
class Gateway:
    told, token = {"plaintext": sys.argv[1]}, sys.argv[2]
client = Client(Gateway)
if sys.argv[3] == "exec":
    for event in client.call.ExecSandbox(client.execution("one", "sh", "-c", "echo begun; sleep 2001")):
        print("heard", flush=True)
else:
    for output in client.attach("one"):
        print("heard", flush=True)
"""


@pytest.fixture(scope="module")
def house(built, tmp_path_factory):
    """A house with a gateway."""
    require(namespaces=True)
    with built.rooms(tmp_path_factory.mktemp("clients")) as made:
        yield made.start(QUICK)


@pytest.fixture(scope="module")
def client(house):
    """A client of it, with a sandbox."""
    made = Client(house)
    made.create("one", "sh", "-c", "echo main; exec sleep 2002")
    yield made
    made.delete("one")
    made.channel.close()
    house.kill(signal.SIGTERM)
    assert [] == house.nothing_is_left()
    assert "Traceback" not in house.log


def running(house, words):
    """The processes beneath the gateway whose arguments have these words."""
    return [pid for pid in house.left() if words in household.cmdline(pid)]


@pytest.mark.parametrize("kind", ["exec", "attach"])
def test_client_that_is_killed(house, client, kind):
    """The program of a client that is killed ends with it; a main process that it was attached to goes on."""
    command = [sys.executable, "-c", CLIENT, house.told["plaintext"], house.token, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=household.ROOT, env=house.environment) as other:
        assert other.stdout
        assert b"heard\n" == other.stdout.readline()
        other.kill()
    if kind == "exec":
        assert [] == wait_for(lambda: running(house, b"2001"))
    assert 1 == len(running(house, b"2002"))


def test_calls_that_are_cancelled(house, client):
    """A call that is cancelled at any instant leaves no program, before it was started or after that."""
    for after in instants(many(12, 1000), 0.02, "cancelled calls"):
        answers = client.call.ExecSandbox(client.execution("one", "sleep", "2003"))
        select.select([], [], [], after)
        answers.cancel()
    assert [] == wait_for(lambda: running(house, b"2003"))


def test_flood_to_clients_that_take_nothing(house, client):
    """Clients that take nothing of what floods them: neither gateway nor supervisor keeps more than a little."""
    (supervisor,) = house.supervisors()
    before = memory(house.pid), memory(supervisor)
    floods = [client.call.ExecSandbox(client.execution("one", "cat", "/dev/zero")) for _ in range(4)]
    for answers in floods:
        next(answers)
    select.select([], [], [], 0.5)
    grown = memory(house.pid) - before[0], memory(supervisor) - before[1]
    assert (0, b"on\n") == client.execute("one", "echo", "on")
    for answers in floods:
        answers.cancel()
    assert [] == wait_for(lambda: running(house, b"/dev/zero"))
    assert grown[0] < 4 * 4 * 1024
    assert grown[1] < 4 * 2 * 1024


def test_sixty_four_at_once(house, client):
    """Many programs at once in one sandbox: each has its own input, output and code."""
    calls = [
        client.call.ExecSandbox(client.execution("one", "sh", "-c", "cat; exit $0", str(number), stdin=b"%d" % number))
        for number in range(64)
    ]
    for number, answers in enumerate(calls):
        told = list(answers)
        assert b"%d" % number == b"".join(event.stdout.data for event in told)
        assert number == told[-1].exit.exit_code


def test_gateway_that_ends_with_clients(house, client):
    """A gateway that is told to end, or killed, cuts its clients off; their programs are found again by the next."""
    for number, end in enumerate((signal.SIGTERM, signal.SIGKILL), 3):
        script = f"echo begun; while ! [ -e go{number} ]; do sleep 0.01; done; echo end; exit {number}"
        answers = client.call.ExecSandbox(client.execution("one", "sh", "-c", script))
        assert b"begun\n" == next(answers).stdout.data
        house.kill(end)
        with pytest.raises(grpc.RpcError):
            list(answers)
        client.channel.close()
        client.__init__(house.start(QUICK))
        (session,) = [one.number for one in client.sessions("one") if script in one.argv]
        followed = client.attach("one", session)
        client.execute("one", "touch", f"go{number}")
        told = list(followed)
        assert b"begun\nend\n" == b"".join(output.stdout for output in told)
        assert number == told[-1].ended.exit_code
    assert os.getpid() not in house.left()


def test_request_that_is_repeated(client):
    """A request that is repeated gets the sandbox that the first one made."""
    first = client.create("again", request_id="r1")
    assert first.metadata.id == client.create("again", request_id="r1").metadata.id
    waiting = [client.call.CreateSandbox.future(messages.CreateSandboxRequest(request_id="r2")) for _ in range(4)]
    made = {one.result().sandbox.metadata.name for one in waiting}
    assert 1 == len(made)
    for name in ("again", *made):
        client.delete(name)
