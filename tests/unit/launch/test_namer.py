"""The tiny program: it opens one file, writes a name there or does not, and its exit status is the errno."""

import errno
import os
import shutil
import struct
import subprocess

import pytest

from pyopenshell.launch import namer


def run(path, flags=namer.O_RDWR, *, write=True):
    """Run it in a child; return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            namer.execute(namer.program(path, flags, write=write))
        finally:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def file(tmp_path):
    """A file with something in it."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789012345678901234567890")
    return path


def test_it_writes_the_name(file):
    """At the start of the file, and no more than a thread's name can hold."""
    assert 0 == run(str(file))
    assert namer.NAME + b"0123456789012345678901234567890"[len(namer.NAME) :] == file.read_bytes()
    assert len(namer.NAME) <= 15


def test_it_can_leave_the_file_alone(file):
    """Opening alone changes nothing."""
    before = file.read_bytes()
    assert 0 == run(str(file), write=False)
    assert before == file.read_bytes()


@pytest.mark.parametrize(
    ("path", "flags", "expected"),
    [
        ("/missing", os.O_RDWR, errno.ENOENT),
        ("/", os.O_RDWR, errno.EISDIR),
        ("/proc/self/comm/", os.O_RDWR, errno.ENOTDIR),
        ("/proc/self/comm", os.O_RDWR, 0),
        ("/proc/self/comm", os.O_RDONLY, errno.EBADF),  # the write is what fails
        ("/proc/self/comm", os.O_RDWR | os.O_DIRECTORY, errno.ENOTDIR),
        ("/dev/full", os.O_WRONLY, errno.ENOSPC),
    ],
)
def test_its_exit_status_is_the_errno(path, flags, expected):
    """Of opening, or of writing."""
    assert expected == run(path, flags)


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_it_is_a_program_for_its_machine(architecture):
    """An ELF file whose entry lies in its only segment, which ends where the file does."""
    image = namer.program("/proc/self/comm", architecture=architecture)
    machine, _, entry, _ = struct.unpack_from("<HIQQ", image, 18)
    _, flags, offset, start, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", image, 64)
    assert {"x86_64": 62, "aarch64": 183}[architecture] == machine
    assert (5, 0, len(image)) == (flags, offset, size)
    assert start < entry < start + size


@pytest.mark.parametrize(("path", "expected"), [("/proc/self/comm", 0), ("/missing", errno.ENOENT)])
def test_the_other_architectures_program_runs_too(tmp_path, path, expected):
    """Under emulation, where that is installed."""
    emulator = shutil.which("qemu-aarch64-static")
    if not emulator:
        pytest.skip("needs: qemu-aarch64-static")
    program = tmp_path / "namer"
    program.write_bytes(namer.program(path, architecture="aarch64"))
    program.chmod(0o755)
    assert expected == subprocess.run([emulator, str(program)], check=False).returncode
