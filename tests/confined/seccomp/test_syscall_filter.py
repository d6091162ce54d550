"""The filter on the real kernel: what it answers, that it stays, and that ordinary programs do not mind it."""

import ctypes
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from pyopenshell.kernel import seccomp
from pyopenshell.kernel.syscalls import ARCHITECTURE, call
from pyopenshell.seccomp import bpf

TIOCSTI = 0x5412
AF_VSOCK, MODE_3 = 40, 3
AT_FDCWD = -100

SOCKETS = [
    # family, type, protocol, errno in a network namespace, errno without one
    (socket.AF_UNIX, socket.SOCK_STREAM, 0, 0, 0),
    (socket.AF_INET, socket.SOCK_STREAM, 0, 0, errno.EAFNOSUPPORT),
    (socket.AF_INET6, socket.SOCK_DGRAM, 0, 0, errno.EAFNOSUPPORT),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, errno.EPERM, errno.EAFNOSUPPORT),
    (socket.AF_INET, 10, 3, errno.EPERM, errno.EAFNOSUPPORT),
    (socket.AF_PACKET, socket.SOCK_RAW, 0, errno.EAFNOSUPPORT, errno.EAFNOSUPPORT),
    (AF_VSOCK, socket.SOCK_STREAM, 0, errno.EAFNOSUPPORT, errno.EAFNOSUPPORT),
    (socket.AF_NETLINK, socket.SOCK_RAW, 0, 0, errno.EAFNOSUPPORT),
    (socket.AF_NETLINK, socket.SOCK_RAW, 9, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT),
]


@pytest.mark.kernels
@pytest.mark.parametrize(("family", "kind", "protocol", "in_namespace", "without"), SOCKETS)
def test_sockets(behind_filter, family, kind, protocol, in_namespace, without):
    """Every family and type, in both variants of the filter; root too gets no raw socket."""

    def attempt():
        socket.socket(family, kind, protocol).close()
        return 0

    assert in_namespace == behind_filter(attempt, net_namespace=True)
    assert without == behind_filter(attempt, net_namespace=False)


@pytest.mark.parametrize("upper", [0, 0xDEAD << 32])
def test_tty_injection_is_denied_however_the_request_is_spelled(behind_filter, upper):
    """On a terminal of its own the call would work for root, or be EIO; rubbish in the upper half does not help."""
    outer, inner = os.openpty()
    assert errno.EPERM == behind_filter(lambda: call("ioctl", inner, TIOCSTI | upper, b"x"))
    assert 0 == behind_filter(lambda: call("ioctl", inner, 0x5401 | upper, ctypes.create_string_buffer(64)))
    os.close(outer)
    os.close(inner)


@pytest.mark.parametrize("name", ["io_uring_setup", "io_uring_enter", "io_uring_register"])
def test_io_uring_is_not_there(behind_filter, name):
    """ENOSYS is what programs know how to fall back from."""
    assert errno.ENOSYS == behind_filter(lambda: call(name, 0, 0, 0, 0, 0, 0))


@pytest.mark.kernels
def test_truncation_without_a_write_right(behind_filter, tmp_path):
    """Below ABI 3 the three ways to empty a file through a read grant are closed, and writing truncates as ever."""
    file = tmp_path / "file"
    file.write_text("content")
    path = os.fsencode(file)

    def attempt() -> dict[str, int | None]:
        tries: dict[str, Callable[[], object]] = {
            "truncate": lambda: os.truncate(path, 0),
            "openat": lambda: os.open(path, os.O_RDONLY | os.O_TRUNC),
            "mode 3": lambda: os.open(path, MODE_3 | os.O_TRUNC),
            "openat2": lambda: call("openat2", AT_FDCWD, path, ctypes.create_string_buffer(24), 24),
        }
        if ARCHITECTURE == "x86_64":
            tries["open"] = lambda: call("open", path, os.O_RDONLY | os.O_TRUNC)
        results = {}
        for name, action in tries.items():
            try:
                action()
            except OSError as error:
                results[name] = error.errno
        return results

    expected = {"truncate": errno.EACCES, "openat": errno.EACCES, "mode 3": errno.EACCES, "openat2": errno.ENOSYS}
    if ARCHITECTURE == "x86_64":
        expected["open"] = errno.EACCES
    assert expected == behind_filter(attempt, landlock_abi=2)
    assert "content" == file.read_text()
    assert 3 <= behind_filter(lambda: os.open(path, os.O_WRONLY | os.O_TRUNC), landlock_abi=2)
    assert "" == file.read_text()


I386_GETPID = r"""
#include <stdio.h>
int main(void) { int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory"); printf("%d", r); }
"""


@pytest.mark.skipif(not shutil.which("gcc") or ARCHITECTURE != "x86_64", reason="needs gcc on x86_64")
def test_the_32_bit_entry_is_refused(behind_filter, tmp_path):
    """A program may enter the kernel by int 0x80, where other numbers mean other syscalls: all are ENOSYS."""
    (tmp_path / "c.c").write_text(I386_GETPID)
    subprocess.run(["gcc", "-o", tmp_path / "c", tmp_path / "c.c"], check=True)
    assert f"-{errno.ENOSYS}" == behind_filter(lambda: subprocess.check_output([tmp_path / "c"], text=True))


def test_filters_outlive_exec_and_cannot_be_undone(behind_filter):
    """A later filter that allows everything changes nothing."""

    def attempt():
        seccomp.install(bpf.build((), ARCHITECTURE))
        code = "import socket\ntry: socket.socket()\nexcept OSError as e: print(e.errno)"
        return subprocess.check_output([sys.executable, "-c", code], text=True)

    assert f"{errno.EAFNOSUPPORT}\n" == behind_filter(attempt)


def test_install_reports_the_kernels_refusal(behind_filter):
    """A program that is none is EINVAL."""
    assert errno.EINVAL == behind_filter(lambda: seccomp.install(b"\xff" * 8))


def test_actions():
    """The kernel has filters; an action nobody defined is not available."""
    assert seccomp.action_available(seccomp.RET_ERRNO)
    assert not seccomp.action_available(0x12340000)


LOOKUP = """
import socket, urllib.request
for attempt in (lambda: socket.getaddrinfo("example.org", 443), lambda: urllib.request.urlopen("http://127.0.0.1:9")):
    try: attempt()
    except OSError as error: print(type(error).__name__)
"""
ASYNC = """
import asyncio, multiprocessing, uuid
async def main():
    process = await asyncio.create_subprocess_exec("true")
    return await process.wait()
if __name__ == "__main__":
    uuid.uuid4()
    with multiprocessing.Pool(2) as pool: print(asyncio.run(main()), pool.map(abs, [-1]))
"""
GIT = "git init -q a; git -C a -c user.name=n -c user.email=e commit -q --allow-empty -m m; git clone -q a b; echo ok"
GCC = "echo 'int main(void){return 0;}' > m.c && gcc -o m m.c && ./m && echo ok"
NODE = (
    "const fs=require('fs'); fs.writeFileSync('x','1'); fs.truncateSync('x',0);"
    "require('child_process').execSync('true'); new (require('worker_threads').Worker)('1',{eval:true})"
    ".on('exit',()=>require('dns').lookup('example.org',e=>console.log(e.code.slice(0,4))))"
)
PROGRAMS = [
    ("python3", ["-c", LOOKUP], "gaierror\nURLError\n"),
    ("python3", ["async.py"], "0 [1]\n"),
    ("git", GIT, "ok\n"),
    ("gcc", GCC, "ok\n"),
    ("node", ["-e", NODE], "EAI_\n"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("program", "args", "expected"), PROGRAMS)
def test_ordinary_programs_do_not_mind(behind_filter, tmp_path, program, args, expected):
    """The strictest variant (no network namespace, Landlock ABI 1); a name lookup fails as it does offline."""
    found = sys.executable if program == "python3" else shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    (tmp_path / "async.py").write_text(ASYNC)
    command = ["sh", "-ec", args] if isinstance(args, str) else [found, *args]

    def run():
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        return done.stdout, done.stderr

    assert (expected, "") == behind_filter(run)
