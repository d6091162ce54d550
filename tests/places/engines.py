"""Container engines that this machine has, each with state of its own, and the same small image in all of them.

The image is empty but for accounts and folders: the host's ``/usr``, the interpreter's packages and the checkout are
mounted into it read-only. Nothing is fetched, and what an engine keeps lies in a folder that is removed.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import pyopenshell

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 120
"""How long a container, or a daemon's start, may take."""
USER = 1000
SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(pyopenshell.__file__)))
"""What is measured: the package that this interpreter imports."""
PARENT = "openshell-places"
"""The control group that every container of ours is in, so that it can be removed."""
LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
"""An engine's own may be higher than the host's, which takes a privilege that root of a virtual machine may lack."""
OWN_CODES = range(125, 128)
"""How ``run`` of an engine exits that made no container (docker-run(1), podman-run(1)); others are the program's."""
PYTHON = "/opt/python/bin/python3"
"""The interpreter of a virtual environment in the image: isolated (``-I``), too, it finds the packages."""
MEASURE = ("env", "PYTHONPATH=/opt/openshell/src", PYTHON, "/opt/openshell/measure.py")
FOLDERS = (
    *("dev", "etc", "home/tester", "opt/openshell", "opt/python/bin", "opt/python/lib"),
    *("proc", "root", "run", "sys", "tmp", "usr", "var"),
)


class Missing(Exception):
    """A place cannot be had on this machine; the text says what it needs."""


class Engine:
    """A container engine that is ready: ``run`` starts a container from the image."""

    def __init__(self, name: str, version: str, command: tuple[str, ...]) -> None:
        self.name = name
        self.version = version
        self.command = command

    def load(self, folder: str) -> None:
        """Give the engine its image, made in this folder."""
        _call((*self.command, "import", "-", "place"), input=_image(Path(folder, "image")))

    def run(self, *options: str, argv: tuple[str, ...] = MEASURE) -> str:
        """Run a command in a container with the engine's defaults and these options, and return its output.

        Raises Missing where the engine cannot make the container, with its own words, and RuntimeError, with the
        program's, where that fails.
        """
        common = ("--rm", "--network=none", f"--cgroup-parent=/{PARENT}", *LIMITS, *_mounts())
        return _call((*self.command, "run", *common, *options, "place", *argv), own=OWN_CODES)


@contextmanager
def podman() -> Iterator[Engine]:
    """Podman, as root. Raises Missing where there is none that root could run."""
    _needs_root("podman")
    with _folder() as folder:
        # runc: crun refuses hosts whose control groups are of both versions. vfs: no mounts that could stay.
        runtime = ("--runtime=runc",) if shutil.which("runc") else ()
        state = (f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp", "--storage-driver=vfs")
        command = ("podman", *state, "--cgroup-manager=cgroupfs", "--events-backend=none", *runtime)
        engine = Engine("podman", _version("podman"), command)
        engine.load(folder)
        yield engine


@contextmanager
def docker() -> Iterator[Engine]:
    """Docker, with a daemon of its own. Raises Missing where there is none that root could run."""
    _needs_root("docker", "dockerd", "containerd", "runc")
    with _folder() as folder, open(f"{folder}/log", "wb") as log:
        socket = f"unix://{folder}/socket"
        state = (f"--data-root={folder}/root", f"--exec-root={folder}/run", f"--pidfile={folder}/pid", f"-H={socket}")
        network = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
        others = ("--storage-driver=vfs", "--exec-opt=native.cgroupdriver=cgroupfs")
        with _daemon(("dockerd", *state, *network, *others), log) as daemon:
            engine = Engine("docker", _version("dockerd"), ("docker", "-H", socket))
            _wait_for_answer(daemon, (*engine.command, "version"))
            engine.load(folder)
            yield engine


ENGINES = {"docker": docker, "podman": podman}


@contextmanager
def _daemon(argv: tuple[str, ...], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True) as daemon:
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(SECONDS)


def _wait_for_answer(daemon: subprocess.Popen[bytes], question: tuple[str, ...]) -> None:
    end = time.monotonic() + SECONDS
    while subprocess.run(question, capture_output=True).returncode:
        if daemon.poll() is not None or time.monotonic() > end:
            raise Missing("needs: a docker daemon that starts")
        time.sleep(0.1)


@contextmanager
def _folder() -> Iterator[str]:
    """Make a folder for an engine's state; at the end it and the control groups of its containers are removed."""
    folder = tempfile.mkdtemp(prefix="places-")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_remove_groups)
        yield folder


def _remove_groups() -> None:
    """Remove the groups, once the last monitor of a container in them has ended."""
    end = time.monotonic() + SECONDS
    for top in glob(f"/sys/fs/cgroup/{PARENT}") + glob(f"/sys/fs/cgroup/*/{PARENT}"):
        for path, _folders, _files in os.walk(top, topdown=False):
            while not _removed(path) and time.monotonic() < end:
                time.sleep(0.05)


def _removed(path: str) -> bool:
    try:
        os.rmdir(path)
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def _needs_root(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise Missing(f"needs: {program}")
    if os.geteuid() != 0:
        raise Missing("needs: root")


def _version(program: str) -> str:
    """Return the version that a program prints as ``NAME version X, ...``."""
    words = _call((program, "--version")).split()
    return words[words.index("version") + 1].rstrip(",").partition("+")[0]


def _mounts() -> tuple[str, ...]:
    base = sys.base_prefix
    packages = os.path.dirname(os.path.dirname(yaml.__file__))
    inside = f"/opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    pairs = {"/usr": "/usr", packages: inside, SOURCES: "/opt/openshell/src"}
    pairs |= {str(Path(__file__).with_name("measure.py")): "/opt/openshell/measure.py"}
    if not base.startswith("/usr"):
        pairs |= {base: base}
    return tuple(f"--volume={outside}:{path}:ro" for outside, path in pairs.items())


def _image(root: Path) -> bytes:
    """Make the image in this folder, and return it as a tar archive."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    os.chown(root / "home/tester", USER, USER)
    for name in ("bin", "lib", "lib64", "sbin"):
        if os.path.islink(f"/{name}"):  # a merged /usr
            (root / name).symlink_to(f"usr/{name}")
    interpreter = os.path.realpath(sys.executable)
    (root / PYTHON[1:]).symlink_to(interpreter)
    (root / "opt/python/pyvenv.cfg").write_text(f"home = {os.path.dirname(interpreter)}\n")
    (root / "etc/passwd").write_text(f"root:x:0:0::/root:/bin/sh\ntester:x:{USER}:{USER}::/home/tester:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\ntester:x:{USER}:\n")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(root, ".")
    return data.getvalue()


def _call(
    argv: tuple[str, ...],
    input: bytes = b"",  # noqa: A002 - subprocess's word
    own: range = range(1, 256),
) -> str:
    """Return what an engine prints. Raises Missing with the first line of its errors where it fails.

    ``own`` are the exit codes that say so; with another, RuntimeError.
    """
    done = subprocess.run(argv, input=input, capture_output=True, timeout=SECONDS)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}"
        if done.returncode not in own:
            raise RuntimeError(said)
        raise Missing(f"needs: {argv[0]} that works: {said.splitlines()[0]}")
    return done.stdout.decode()
