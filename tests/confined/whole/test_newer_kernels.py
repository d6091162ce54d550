"""What Landlock ABI 7 to 11 brought, on the kernel that is here: used where it is, replaced or reported where not."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from pyopenshell.effective.load import from_dict
from pyopenshell.effective.resolve import resolver
from pyopenshell.effective.why import why
from pyopenshell.landlock import downgrade
from tests.confined.landlock import harness
from tests.confined.launch import world
from tests.confined.launch.conftest import sandbox

__all__ = ["sandbox"]

pytestmark = [pytest.mark.kernels, harness.needs_landlock]
CLOSES_SOCKETS, CLOSES_UDP = 9, 10
"""The ABIs that restrict pathname sockets, and UDP."""
PROBE = """
def reach(address):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.replace("@", chr(0)))
def serve(address):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address.replace("@", chr(0)))
        server.listen()
        reach(address)
def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"word", ("127.0.0.1", 9))
for name, address in given["outside"].items():
    answer[name] = attempt(reach, address)
for name in (os.environ.get("TMPDIR", "/tmp") + "/own", os.getcwd() + "/own", "@own" + str(os.getpid())):
    answer.setdefault("own", []).append(attempt(serve, name))
answer["udp"] = attempt(datagram)
"""


@pytest.fixture
def listeners(sandbox):
    """Sockets that anybody may connect to, by where they are: nothing of ``elsewhere`` is granted or hidden."""
    elsewhere = Path(tempfile.mkdtemp(prefix="service.", dir="/var/tmp"))
    in_tmp = Path(tempfile.mkdtemp(prefix="service.", dir="/tmp"))
    for folder in (elsewhere, in_tmp):
        folder.chmod(0o755)
    places = {"elsewhere": f"{elsewhere}/socket", "tmp": f"{in_tmp}/socket", "granted": f"{sandbox.workdir}/socket"}
    places["abstract"] = f"@{elsewhere.name}"
    servers = [socket.socket(socket.AF_UNIX) for _ in places]
    for server, address in zip(servers, places.values(), strict=True):
        server.bind(address.replace("@", "\0"))
        server.listen()
        if address.startswith("/"):
            os.chmod(address, 0o777)
    yield places
    for server in servers:
        server.close()
    shutil.rmtree(elsewhere)
    shutil.rmtree(in_tmp)


def reached(isolation):
    """What comes of each connection, by this kernel and what the sandbox has of its own."""
    by_landlock = "EACCES" if harness.ABI >= CLOSES_SOCKETS else "ok"
    by_scope = "EPERM" if harness.ABI >= 6 else "ok"
    return {
        "elsewhere": by_landlock,
        "tmp": "ENOENT" if isolation["mount"]["state"] == "private" else by_landlock,
        "granted": "ok",
        "abstract": "ECONNREFUSED" if isolation["net"]["state"] == "private" else by_scope,
    }


@pytest.mark.parametrize("kind", ["namespaces", "no namespaces"])
def test_sockets_and_log(kind, sandbox, listeners):
    """One run tells of all: what it reaches, what the report says of that, and what the kernel took about its log.

    A verification finds nothing that is otherwise than reported.
    """
    sandbox.world = world.WORLDS[kind]
    quiet = os.path.dirname(listeners["elsewhere"])
    policy = world.policy(runtime={"kernel_log_quiet": [quiet]})
    answer = sandbox.ask(PROBE, "--name", "newer", "--verify", policy=policy, outside=listeners)
    record = sandbox.record("newer")
    effective, findings = record.effective, record.findings
    sockets, handled = effective["isolation"]["pathname_sockets"], set(effective["landlock"]["handled"])
    assert ["ok"] * 3 == answer.pop("own")
    udp = answer.pop("udp")
    assert reached(effective["isolation"]) == answer
    # Pathname sockets.
    is_open = harness.ABI < CLOSES_SOCKETS
    assert is_open == ("isolation.pathname-sockets-open" in findings)
    assert (("open" if is_open else "scoped"), not is_open) == (sockets["state"], "resolve_unix" in handled)
    if is_open:
        found = findings["isolation.pathname-sockets-open"]
        assert ("High", True) == (found["severity"], listeners["elsewhere"] in found["message"])
    assert listeners["granted"] in findings["granted.unix-sockets"]["message"]
    for name, address in listeners.items():
        if name != "abstract":
            told = why(from_dict(effective), address, "connect", resolver(os.geteuid()), 0)
            assert (answer[name] == "ok") == told.allowed, address
    # UDP.
    has_network_namespace = effective["isolation"]["net"]["state"] == "private"
    is_handled = harness.ABI >= CLOSES_UDP and not has_network_namespace
    assert is_handled == handled.issuperset({"bind_udp", "connect_send_udp"})
    assert ("ok" if has_network_namespace else "EAFNOSUPPORT") == udp
    # The kernel's log.
    has_log, has_quiet = harness.ABI >= downgrade.LOG_ABI, harness.ABI >= downgrade.QUIET_ABI
    flags = ["same_exec_off", "new_exec_on"] if has_log else []
    assert {
        "state": "denials" if has_log else "missing",
        "flags": flags,
        "quiet": [quiet] if has_quiet else [],
    } == effective["landlock"]["log"]
    taken = record.receipt["landlock"]
    hushed = [(entry["path"], entry["ino"], entry["errno"]) for entry in taken["quiet"]]
    assert (flags, [(quiet, os.stat(quiet).st_ino, 0)] if has_quiet else []) == (taken["log"], hushed)
    missing = {code for code in findings if code in ("landlock.log-missing", "landlock.quiet-missing")}
    assert (
        {"landlock.log-missing"} if not has_log else {"landlock.quiet-missing"} if not has_quiet else set()
    ) == missing


def test_hard_requirement(sandbox, listeners):
    """Sockets are no reason to refuse any more where Landlock closes them; below, they are named as the reason."""
    sandbox.world = world.NO_NAMESPACES
    done = sandbox.run("--", "/bin/true", policy=world.policy() | world.HARD)
    if harness.ABI >= CLOSES_SOCKETS:
        assert (0, 0) == (done.returncode, done.stderr.count("pathname")), done.stderr
    else:
        assert 125 == done.returncode
        assert "pathname Unix sockets of the host can be connected to" in done.stderr


def test_the_hosts_tmp_granted(sandbox, listeners):
    """Who grants it opens the sockets in it, and is told; a verification expects just that, on every kernel."""
    sandbox.state = Path(listeners["elsewhere"]).parent / "state"  # what holds it may not be granted
    sandbox.environment |= dict.fromkeys(("XDG_STATE_HOME", "XDG_CONFIG_HOME"), str(sandbox.state))
    answer = sandbox.ask(
        PROBE, "--name", "tmp", "--verify", policy=world.policy(read_write=("/tmp",)), outside=listeners
    )
    assert "ok" == answer["tmp"]
    assert listeners["tmp"] in sandbox.record("tmp").findings["granted.unix-sockets"]["message"]
