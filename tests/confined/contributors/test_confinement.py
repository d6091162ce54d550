"""What a contributor cannot do while it is asked: it runs as the sandbox's identity, and there is no way out."""

import json
import os
import socket

import pytest

from tests.confined.landlock.harness import ABI, needs_landlock

pytestmark = needs_landlock

TELL = """
    import errno, resource, signal, socket, stat, subprocess

    def attempt(operation, *arguments):
        try:
            operation(*arguments)
        except OSError as error:
            return errno.errorcode[error.errno]
        return "ok"

    def status():
        return dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())

    def it(request):
        told = {}
        CODE
        for key, value in told.items():
            yield Grant(f"/opt/{key}", "read_only", json.dumps(value))
"""


@pytest.fixture
def told(anyones):
    """Run code in a contributor that puts what it finds into ``told``; return that."""

    def tell(code):
        body = "\n        ".join(line.strip() for line in code.strip().splitlines())
        anyones.offer(TELL.replace("CODE", body), "it")
        done = anyones.run("it")
        assert 0 == done.returncode, done.stderr
        additions = anyones.effective()["runtime_additions"]
        return {one["path"].removeprefix("/opt/"): json.loads(one["reason"]) for one in additions}

    return tell


def test_who_it_is(told, anyones):
    """The sandbox's identity, for good: no capability, no way to win one, under a filter."""
    found = told(
        """
        told["ids"] = [*os.getresuid(), *os.getresgid()]
        told["groups"] = os.getgroups()
        told["status"] = {key: status()[key].strip() for key in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
        """
    )
    effective = anyones.effective()["identity"]
    assert [effective["uid"]] * 3 + [effective["gid"]] * 3 == found["ids"]
    assert sorted(effective["groups"]) == sorted(found["groups"])
    assert 0 not in found["ids"]
    # Without CAP_SETPCAP nothing can be taken from the bounding set, which gives nothing under no_new_privs.
    nothing = {key: value.strip("0") for key, value in found["status"].items() if key != "CapBnd" or os.getuid() == 0}
    assert {"CapEff": "", "CapPrm": "", "NoNewPrivs": "1", "Seccomp": "2"}.items() <= nothing.items()


def test_what_it_has(told, anyones):
    """No variable of the caller's, no descriptor but its own, no input, no terminal, a session apart."""
    reader, writer = os.pipe()
    anyones.pass_fds = (reader, writer)
    found = told(
        """
        told["variables"] = sorted(os.environ)
        told["descriptors"] = [fd for fd in range(256) if attempt(os.fstat, fd) == "ok"]
        told["input"] = os.read(0, 100).decode()
        told["terminal"] = attempt(os.open, "/dev/tty", os.O_RDWR)
        told["session"] = os.getsid(0) == os.getppid()
        told["folder"] = os.getcwd()
        told["limits"] = [resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)]
        """
    )
    os.close(reader)
    os.close(writer)
    assert ["HOME", "LANG", "LOGNAME", "PATH", "USER"] == found["variables"]
    assert ([0, 1, 2, 3], "", "/") == (found["descriptors"], found["input"], found["folder"])
    assert (True, 0) == (found["session"], found["limits"][1])
    assert "ok" != found["terminal"]


def test_it_writes_nothing(told, anyones):
    """Not where file modes would let it: its planning changes nothing, so that explaining a run never does."""
    kept = anyones.workdir / "kept"
    kept.write_text("kept")
    kept.chmod(0o666)
    found = told(
        f"""
        told["make"] = attempt(os.open, "{kept}.new", os.O_CREAT | os.O_WRONLY)
        told["folder"] = attempt(os.mkdir, "{kept}.folder")
        told["temporary"] = attempt(os.open, "/tmp/openshell-test-contributor", os.O_CREAT | os.O_WRONLY)
        told["write"] = attempt(os.open, "{kept}", os.O_WRONLY)
        told["remove"] = attempt(os.unlink, "{kept}")
        told["discard"] = attempt(os.open, "/dev/null", os.O_RDWR)
        told["read"] = attempt(os.open, "{kept}", os.O_RDONLY)
        """
    )
    assert {"make": "EACCES", "folder": "EACCES", "temporary": "EACCES", "write": "EACCES", "remove": "EACCES"} == {
        key: value for key, value in found.items() if key not in ("discard", "read")
    }
    assert ("ok", "ok") == (found["discard"], found["read"])


def test_it_reaches_no_network(told):
    """Neither the Internet's nor the host's own loopback, nor devices on it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        found = told(
            f"""
            told["tcp"] = attempt(socket.create_connection, ("127.0.0.1", {port}), 5)
            told["udp"] = attempt(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
            told["six"] = attempt(socket.socket, socket.AF_INET6)
            told["netlink"] = attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 0)
            """
        )
    assert {"EAFNOSUPPORT"} == set(found.values())


@pytest.mark.skipif(ABI < 6, reason="needs: Landlock ABI 6")
def test_it_reaches_no_process_outside(told):
    """No abstract socket, and no signal to its parent or to whoever runs it, of the same user or not."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(b"\0openshell-test-contributor")
        listening.listen()
        found = told(
            """
            told["socket"] = attempt(socket.socket(socket.AF_UNIX).connect, b"\\0openshell-test-contributor")
            told["parent"] = attempt(os.kill, os.getppid(), 0)
            """
        )
    assert {"socket": "EPERM", "parent": "EPERM"} == found


def test_it_sees_no_secret_of_the_command(told):
    """What openshell was started with is readable for the same user, and not for a contributor."""
    found = told(
        """
        told["environment"] = attempt(os.open, f"/proc/{os.getppid()}/environ", os.O_RDONLY)
        told["memory"] = attempt(os.open, f"/proc/{os.getppid()}/mem", os.O_RDONLY)
        """
    )
    assert {"EACCES"} == set(found.values())


def test_it_may_run_programs(told):
    """Asking the system is what it is there for; they are as confined as it is."""
    found = told(
        """
        told["program"] = subprocess.check_output(["id", "-u"], text=True).strip() == str(os.getuid())
        told["child"] = subprocess.run(["sh", "-c", "echo >/tmp/openshell-test-contributor"]).returncode != 0
        """
    )
    assert {"program": True, "child": True} == found
