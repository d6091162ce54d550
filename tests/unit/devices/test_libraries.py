"""Where the driver's libraries are found: the loader's cache, its folders, those of packagers; nothing is loaded."""

import errno
import os
import struct

import pytest

from pyopenshell.devices import libraries
from pyopenshell.devices.libraries import CUDA, NVML, cached, find
from tests.unit.devices.anyone import as_anyone

X86, ARM = 62, 183


def elf(machine=X86, bits=2):
    """Return the head of a shared library."""
    return b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HHI", 3, machine, 1)


def cache_of(entries, *, old=b""):
    """Return a loader's cache as glibc writes it."""
    head = len(libraries._MAGIC) + 28
    table, strings, start = b"", b"", head + 24 * len(entries)
    for name, path in entries:
        key = start + len(strings)
        strings += name.encode() + b"\0"
        table += struct.pack("<iIIIQ", 0x0303, key, start + len(strings), 0, 0)
        strings += path.encode() + b"\0"
    return old + libraries._MAGIC + struct.pack("<IIBxxxI12x", len(entries), len(strings), 2, 0) + table + strings


class Host:
    """A root that libraries are put into, with their links."""

    def __init__(self, root):
        self.root = str(root)

    def __call__(self, folder, version="550.54.15", name=CUDA, data=None):
        place = self.root + folder
        os.makedirs(place, exist_ok=True)
        file = f"{name.removesuffix('.1')}.{version}"
        with open(f"{place}/{file}", "wb") as library:
            library.write(elf() if data is None else data)
        os.symlink(file, f"{place}/{name}")
        return self.root


@pytest.fixture
def host(open_folder):
    return Host(open_folder)


def test_nothing(host):
    """A host without a driver has none of them."""
    assert () == find(CUDA, host.root, "x86_64")


@pytest.mark.parametrize(
    ("folder", "by_loader"),
    [
        ("/usr/lib/x86_64-linux-gnu", True),
        ("/usr/lib64", True),
        ("/lib64", True),
        ("/usr/lib/wsl/lib", False),
        ("/usr/local/nvidia/lib64", False),
        ("/run/nvidia/driver/usr/lib64", False),
    ],
)
def test_folders(host, folder, by_loader):
    """The usual folders are searched, and it is known which the loader searches by itself."""
    (found,) = find(CUDA, host(folder), "x86_64")
    file = f"{folder}/libcuda.so.550.54.15"
    assert (f"{folder}/{CUDA}", file, "550.54.15", by_loader, 0) == (
        found.path,
        found.file,
        found.version,
        found.found_by_loader,
        found.errno,
    )


def test_tegras_folder_is_of_its_machine(host):
    """The machine's name is part of some folders."""
    root = host("/usr/lib/aarch64-linux-gnu/tegra", "1.1", data=elf(ARM))
    assert () == find(CUDA, root, "x86_64")
    (found,) = find(CUDA, root, "aarch64")
    assert found.version is None


def test_the_cache_comes_first_and_one_file_counts_once(host):
    """What the loader takes stands in front; the same file in the cache and in a folder is one."""
    host("/usr/lib64", "535.1")
    root = host("/opt/driver", "550.54.15")
    os.makedirs(f"{root}/etc")
    with open(f"{root}/etc/ld.so.cache", "wb") as file:
        file.write(cache_of([(CUDA, f"/opt/driver/{CUDA}"), (NVML, "/gone"), (CUDA, f"/usr/lib64/{CUDA}")]))
    assert [("550.54.15", True), ("535.1", True)] == [
        (found.version, found.found_by_loader) for found in find(CUDA, root, "x86_64")
    ]
    assert () == find(NVML, root, "x86_64")


def test_folders_of_the_callers_come_last(host):
    """A folder that only the caller knows of is searched too, and the loader does not."""
    root = host("/elsewhere")
    assert () == find(CUDA, root, "x86_64")
    (found,) = find(CUDA, root, "x86_64", ["/elsewhere"])
    assert not found.found_by_loader


@pytest.mark.parametrize("data", [b"", b"\x7fELF", elf(ARM), elf(bits=1), b"/* GNU ld script */ INPUT(x)"])
def test_what_is_no_library_of_this_machine(host, data):
    """Another machine's, 32 bits, a linker script and an empty file are none."""
    assert () == find(CUDA, host("/usr/lib64", data=data), "x86_64")


def test_what_is_no_file_does_not_stop_it(host):
    """Folders, pipes and dangling links with the name are passed over, without waiting for anybody."""
    os.makedirs(f"{host.root}/usr/lib64/{CUDA}")
    os.makedirs(f"{host.root}/usr/lib")
    os.mkfifo(f"{host.root}/usr/lib/{CUDA}")
    os.makedirs(f"{host.root}/lib64")
    os.symlink("nowhere", f"{host.root}/lib64/{CUDA}")
    assert () == find(CUDA, host.root, "x86_64")


def test_a_library_that_may_not_be_read(host):
    """It is told, with the errno: whoever may not read it cannot load it."""
    root = host("/usr/lib64")
    os.chmod(f"{root}/usr/lib64/libcuda.so.550.54.15", 0)
    assert [errno.EACCES] == as_anyone(lambda: [found.errno for found in find(CUDA, root, "x86_64")])


@pytest.mark.parametrize(
    ("folder", "stub", "compat"),
    [("/usr/lib64", False, False), ("/a/stubs/lib", True, False), ("/usr/local/cuda/compat", False, True)],
)
def test_stubs_and_forward_compatibility(host, folder, stub, compat):
    """Two kinds of libraries of the CUDA toolkit bear the name, and are told apart by where they lie."""
    (found,) = find(CUDA, host(folder), "x86_64", [folder])
    assert (stub, compat) == (found.is_stub, found.is_compat)


def test_an_old_cache_before_the_new_one(tmp_path):
    """The format with both is read like the new one alone."""
    (tmp_path / "cache").write_bytes(cache_of([(CUDA, "/x")], old=b"ld.so-1.7.0\0" + bytes(20)))
    assert ("/x",) == cached(CUDA, str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage" * 100,
        libraries._MAGIC,
        libraries._MAGIC + b"\xff" * 28,
        libraries._MAGIC + b"\xff" * 500,
        cache_of([(CUDA, "relative/path")]),
        cache_of([(CUDA, "/x")])[:-3],
    ],
)
def test_damaged_caches(tmp_path, data):
    """A cache that is cut or filled with anything has nothing, and is no error."""
    (tmp_path / "cache").write_bytes(data)
    assert () == cached(CUDA, str(tmp_path / "cache"))


def test_this_hosts_own_cache():
    """The C library of this host is found as its loader finds it."""
    if not os.path.exists(libraries.CACHE):
        pytest.skip("needs: glibc's loader cache")
    assert find("libc.so.6")[0].found_by_loader
