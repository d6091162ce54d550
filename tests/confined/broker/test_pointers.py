"""The path as the caller points at it: every address that the kernel takes works, and every other is EFAULT."""

import ctypes
import mmap
import os

import pytest

from pyopenshell.kernel import process
from pyopenshell.seccomp.broker import MAX_PATH
from tests.confined.broker import harness, inside

pytestmark = harness.needs_landlock
PAGE = mmap.PAGESIZE
OWN = b"/proc/self/comm"
UNREADABLE, PASSED, GRANTED = "unreadable", "passed", "granted"


def _pages(count, *, closed=()):
    """Map pages, of which some cannot be read; return their address. They stay mapped."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    address = libc.mmap(
        None, count * PAGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0
    )
    for page, way in closed:
        if way == "unmapped":
            libc.munmap(ctypes.c_void_p(address + page * PAGE), PAGE)
        else:
            libc.mprotect(ctypes.c_void_p(address + page * PAGE), PAGE, 0)
    return address


def _before(end, data, **pages):
    """Put data so that it ends just before a page does; return its address."""
    address = _pages(2, **pages) + end * PAGE - len(data)
    ctypes.memmove(address, data, len(data))
    return address


def _across(data):
    address = _pages(2) + PAGE - len(data) // 2
    ctypes.memmove(address, data, len(data))
    return address


def _beyond_a_file():
    """Map more than a file holds: the page is there and cannot be read."""
    fd = os.memfd_create("empty")
    return ctypes.addressof(ctypes.c_char.from_buffer(mmap.mmap(fd, 0))) if os.fstat(fd).st_size else _mapped(fd)


def _mapped(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    return libc.mmap(None, ctypes.c_size_t(PAGE), mmap.PROT_READ, mmap.MAP_SHARED, fd, ctypes.c_long(0))


WHERE = {
    # how to come to an address, what the open of it is, and what it is counted as
    "nowhere": (lambda: 0, "EFAULT", UNREADABLE),
    "the first page": (lambda: 1, "EFAULT", UNREADABLE),
    "not mapped": (lambda: _pages(1, closed=((0, "unmapped"),)), "EFAULT", UNREADABLE),
    "not to be read": (lambda: _pages(1, closed=((0, "protected"),)), "EFAULT", UNREADABLE),
    "beyond a file's end": (_beyond_a_file, "EFAULT", UNREADABLE),
    "the kernel's": (lambda: 0xFFFF800000000000, "EFAULT", UNREADABLE),
    "not canonical": (lambda: 0x800000000000 << 4, "EFAULT", UNREADABLE),
    "the last byte there is": (lambda: (1 << 64) - 1, "EFAULT", UNREADABLE),
    "the last 256 bytes": (lambda: (1 << 64) - MAX_PATH, "EFAULT", UNREADABLE),
    "up to a page's end, nothing after it": (
        lambda: _before(1, OWN + b"\0", closed=((1, "unmapped"),)),
        "ok",
        GRANTED,
    ),
    "up to a page's end, a closed one after it": (
        lambda: _before(1, OWN + b"\0", closed=((1, "protected"),)),
        "ok",
        GRANTED,
    ),
    "no end before an unmapped page": (lambda: _before(1, OWN, closed=((1, "unmapped"),)), "EFAULT", PASSED),
    "no end before a closed page": (lambda: _before(1, OWN, closed=((1, "protected"),)), "EFAULT", PASSED),
    "across two pages": (lambda: _across(OWN + b"\0"), "ok", GRANTED),
    "its end on the next page": (lambda: _before(1, OWN), "ok", GRANTED),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("way", ["open", "openat"])
def test_addresses(way, where):
    """The answer is what the kernel says of such a pointer; a whole path is read wherever it lies."""
    make, code, reason = WHERE[where]

    def workload():
        address = make()
        return (
            inside.attempt(inside.by_open, address)
            if way == "open"
            else inside.attempt(inside.by_openat, -100, address)
        )

    served = harness.run(workload)
    assert (code, {reason: 1}) == (served.answer, served.counts)


LENGTHS = [
    # bytes of the path, without its NUL; errno; what it is counted as
    (MAX_PATH - 1, "ok", GRANTED),
    (MAX_PATH, "EACCES", PASSED),
    (MAX_PATH + 1, "EACCES", PASSED),
    (4095, "EACCES", PASSED),
    (4096, "ENAMETOOLONG", PASSED),
    (100_000, "ENAMETOOLONG", PASSED),
]


@pytest.mark.parametrize(("length", "code", "reason"), LENGTHS)
@pytest.mark.parametrize("offset", [0, 1, PAGE - 1, PAGE - 128, PAGE - MAX_PATH])
def test_long_paths(length, code, reason, offset):
    """Only a path that makes sense is looked at; a longer one is the kernel's, wherever it lies on its page."""

    def workload():
        slashes = length - len(OWN)
        path = OWN[:5] + b"/" * slashes + OWN[5:]
        address = _pages(length // PAGE + 3) + offset
        ctypes.memmove(address, path + b"\0", length + 1)
        return inside.attempt(inside.by_openat, -100, address)

    served = harness.run(workload)
    assert (code, {reason: 1}) == (served.answer, served.counts)


@pytest.mark.parametrize("kind", harness.KINDS, ids=str)
def test_not_dumpable(kind):
    """Who forbids others to read its memory is not read by the broker either, and cannot name its threads."""

    def workload():
        process.set_dumpable(False)
        answer = inside.attempt(inside.by_openat, -100, OWN)
        process.set_dumpable(True)
        return answer, inside.attempt(inside.by_openat, -100, OWN)

    served = harness.run(workload, kind)
    assert (("EACCES", "ok"), {UNREADABLE: 1, GRANTED: 1}) == (served.answer, served.counts)
    assert [UNREADABLE, GRANTED] == [use.kind for use in served.uses]


@pytest.mark.parametrize("kind", harness.KINDS[:2], ids=str)
def test_a_program_that_cannot_be_read(kind, compiled, tmp_path_factory):
    """A program that may be executed and not read is not dumpable: the kernel protects it from the broker too."""
    if os.getuid():
        pytest.skip("needs: root")  # whose file it is, that the workload's uid cannot read
    program = compiled("family")
    closed = f"{program}.closed"
    if not os.path.exists(closed):
        with open(program, "rb") as source, open(closed, "wb") as copy:
            copy.write(source.read())
        os.chmod(closed, 0o711)
    served = harness.run([closed], kind)
    assert "child 0 grandchild 0 daemon 0 executed 0\n" == served.output
    assert {UNREADABLE} == set(served.counts)
