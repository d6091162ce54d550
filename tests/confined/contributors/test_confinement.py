"""What a contributor cannot do while it is asked: it runs as the sandbox's identity, and there is no way out."""

import json
import os
import socket

import pytest

from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock

TELL = """
    import ctypes, errno, fcntl, resource, signal, socket, stat, subprocess, time

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
        return answer(anyones, code)

    return tell


def answer(anyones, code, *options):
    """What such a contributor found, asked by a run with these options."""
    body = "\n        ".join(line.strip() for line in code.strip().splitlines())
    anyones.offer(TELL.replace("CODE", body), "it")
    done = anyones.openshell("run", "--name", "it", *options, "--policy", anyones.policy("it"), "--", "true")
    assert 0 == done.returncode, done.stderr
    additions = anyones.effective()["runtime_additions"]
    return {one["path"].removeprefix("/opt/"): json.loads(one["reason"]) for one in additions}


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
    assert (True, [0, 0]) == (found["session"], found["limits"])
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


def test_it_reaches_no_process_outside(told):
    """No abstract socket, and no signal to its parent or to whoever runs it, of the same user or not."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(b"\0openshell-test-contributor")
        listening.listen()
        found = told(
            """
            told["socket"] = attempt(lambda: socket.socket(socket.AF_UNIX).connect(b"\\0openshell-test-contributor"))
            told["parent"] = attempt(os.kill, os.getppid(), 0)
            """
        )
    assert {"socket": "EAFNOSUPPORT", "parent": "EPERM"} == found


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


def test_it_changes_no_modes_owners_or_times(told, anyones):
    """Not of what is the identity's own: Landlock has no right for these, the filter denies each spelling."""
    own = anyones.workdir / "own"
    own.write_text("own")
    identity = anyones.workdir.stat()
    if os.getuid() == 0:
        os.chown(own, identity.st_uid, identity.st_gid)
    before = own.stat()
    found = told(
        f"""
        own = os.open("{own}", os.O_RDONLY)
        told["owner"] = os.stat("{own}").st_uid in (os.getuid(), 0)
        told["chmod"] = attempt(os.chmod, "{own}", 0o777)
        told["fchmod"] = attempt(os.fchmod, own, 0o777)
        told["chown"] = attempt(os.chown, "{own}", -1, -1)
        told["fchown"] = attempt(os.fchown, own, -1, -1)
        told["utime"] = attempt(os.utime, "{own}", (1, 1))
        told["futime"] = attempt(os.utime, own, (1, 1))
        told["setxattr"] = attempt(os.setxattr, "{own}", "user.x", b"x")
        told["fsetxattr"] = attempt(os.setxattr, own, "user.x", b"x")
        told["removexattr"] = attempt(os.removexattr, "{own}", "user.x")
        told["link"] = attempt(os.link, "{own}", "{own}.link")
        told["rename"] = attempt(os.rename, "{own}", "{own}.other")
        told["truncate"] = attempt(os.truncate, "{own}", 0)
        told["flags"] = attempt(fcntl.ioctl, own, 0x40086602, b"\\0" * 8)
        """
    )
    assert found.pop("owner")
    assert "ENOTTY" == found.pop("flags")
    assert {"EACCES"} == set(found.values())
    after = own.stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def test_it_reaches_no_socket_with_a_path(told, open_folder):
    """One that everybody may connect to, whatever the kernel's Landlock: there is no socket at all, but for pairs."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(open_folder / "socket"))
        (open_folder / "socket").chmod(0o777)
        listening.listen()
        found = told(
            f"""
            told["socket"] = attempt(lambda: socket.socket(socket.AF_UNIX).connect("{open_folder}/socket"))
            told["datagrams"] = attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)
            left, right = socket.socketpair()
            left.send(b"x")
            told["pair"] = right.recv(1).decode()
            told["connect"] = attempt(left.connect, "{open_folder}/socket")
            told["bind"] = attempt(left.bind, "{open_folder}/other")
            """
        )
    assert {
        "socket": "EAFNOSUPPORT",
        "datagrams": "EAFNOSUPPORT",
        "pair": "x",
        "connect": "EACCES",
        "bind": "EACCES",
    } == found


def test_it_changes_no_other_process(told):
    """Neither how it is scheduled, nor memory, semaphores and queues that are shared by a number."""
    found = told(
        """
        told["nice"] = attempt(os.setpriority, os.PRIO_PROCESS, os.getppid(), 10)
        told["cpus"] = attempt(os.sched_setaffinity, os.getppid(), {0})
        told["policy"] = attempt(os.sched_setscheduler, os.getppid(), os.SCHED_IDLE, os.sched_param(0))
        told["own"] = attempt(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        libc = ctypes.CDLL(None, use_errno=True)
        asked = {"shmget": (0, 4096, 0o1600), "semget": (0, 1, 0o1600), "msgget": (0, 0o1600)}
        told |= {name: getattr(libc, name)(*asked[name]) < 0 and errno.errorcode[ctypes.get_errno()] for name in asked}
        """
    )
    assert ("EPERM", "EPERM", "EPERM", "ok") == tuple(found[name] for name in ("nice", "cpus", "policy", "own"))
    assert ["EACCES"] * 3 == [found[name] for name in ("shmget", "semget", "msgget")]


def test_it_can_use_what_programs_need(told):
    """Pipes, threads, event loops, programs whose output is read or discarded."""
    found = told(
        """
        import asyncio, decimal, hashlib, multiprocessing, sqlite3, ssl, threading, zoneinfo
        told["asyncio"] = asyncio.run(asyncio.sleep(0, "done"))
        told["pipeline"] = subprocess.check_output("ls -l / | wc -l; echo no 2>/dev/null", shell=True, text=True) != ""
        threading.Thread(target=time.sleep, args=[0]).start()
        told["discarded"] = subprocess.run(["id"], stdout=subprocess.DEVNULL).returncode
        """
    )
    assert {"asyncio": "done", "pipeline": True, "discarded": 0} == found


def test_without_landlock(anyones):
    """Where an operator goes on without it, the filter alone keeps files as they are: none is opened for writing."""
    kept = anyones.workdir / "kept"
    kept.write_text("kept")
    kept.chmod(0o666)
    found = answer(
        anyones,
        f"""
        told["write"] = attempt(os.open, "{kept}", os.O_WRONLY)
        told["both"] = attempt(os.open, "{kept}", os.O_RDWR)
        told["empty"] = attempt(os.open, "{kept}", os.O_TRUNC)
        told["make"] = attempt(os.open, "{kept}.new", os.O_CREAT)
        told["temporary"] = attempt(os.open, "{anyones.workdir}", os.O_TMPFILE | os.O_RDWR)
        told["folder"] = attempt(os.mkdir, "{kept}.folder")
        told["remove"] = attempt(os.unlink, "{kept}")
        told["parent"] = attempt(os.kill, os.getppid(), 0)
        told["read"] = attempt(os.open, "{kept}", os.O_RDONLY)
        """,
        "--max-abi",
        "0",
        "--unsafe-unconfined",
    )
    assert ("ok", "EPERM") == (found.pop("read"), found.pop("parent"))
    assert (7, {"EACCES"}) == (len(found), set(found.values()))
