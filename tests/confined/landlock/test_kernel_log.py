"""What of a sandbox's denials the kernel logs: the program's, but for quiet paths; never the runtime's own."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyopenshell.kernel import landlock, process
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.landlock.downgrade import QUIET_ABI, handled, log_flags
from tests.confined.landlock import harness, kernel_log
from tests.confined.launch import world
from tests.confined.launch.conftest import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["sandbox"]

pytestmark = [harness.needs_landlock, pytest.mark.kernels]
READ = ("execute", "read_file", "read_dir")
LIST = "import os, sys\ntry: os.listdir(sys.argv[1])\nexcept PermissionError: pass"
"""A program that ends with 0 only where it is denied, or allowed, to list a folder."""


@pytest.fixture
def log() -> Iterator[kernel_log.Log]:
    """The kernel's log from now on."""
    with kernel_log.listening() as found:
        yield found


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that a sandbox sees, wherever it has mounts of its own, and that nobody grants."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="kernel-log."))
    for path in (folder, folder / "quiet", folder / "loud"):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def confine(log_names: tuple[str, ...], quiet: Path | None = None) -> None:
    """Put this process into a sandbox that may read ``/usr`` and what Python needs beside it, and nothing else."""
    rights = handled(harness.ABI, tcp=False)
    fs = downgrade.mask(rights.fs)
    readable = [path for path in ("/usr", "/lib", "/lib64", "/bin") if os.path.exists(path)]
    rules = [(path, os.open(path, os.O_PATH), downgrade.mask(READ)) for path in readable]
    process.set_no_new_privs()
    fd, _ = ruleset.build(fs, 0, 0, rules, with_quiet=quiet is not None)
    if quiet is not None:
        assert ruleset.hush(fd, str(quiet), os.open(quiet, os.O_PATH))["errno"] == 0
    ruleset.enforce(fd, log_names)


def tried(folder: Path, program: bool) -> None:
    """List a folder, here or in a program of its own."""
    if program:
        status = os.spawnv(os.P_WAIT, world.PYTHON, [world.PYTHON, "-I", "-S", "-c", LIST, str(folder)])
        assert status == 0
    else:
        assert errno.EACCES == harness.errno_of(lambda: os.listdir(folder))


@pytest.mark.parametrize("program", [False, True], ids=["before exec", "after exec"])
@pytest.mark.parametrize("wanted", ["denials", "off"])
def test_flags(wanted: str, program: bool, log: kernel_log.Log, tmp_path: Path):
    """Only what happens after exec is logged, and only where that is wanted."""
    world.needs_python()

    def child() -> None:
        confine(log_flags(harness.ABI, wanted))
        tried(tmp_path, program)

    harness.in_child(child)
    found = [denial.path for denial in log.denials() if denial.path == str(tmp_path)]
    assert ([str(tmp_path)] if program and wanted == "denials" else []) == found


@pytest.mark.parametrize("wanted", ["denials", "off"])
def test_sandboxes_that_the_program_makes_itself(wanted: str, log: kernel_log.Log, tmp_path: Path):
    """They log as they like, but where it is off nothing is logged at all."""

    def child() -> None:
        confine(log_flags(harness.ABI, wanted))
        confine(())
        tried(tmp_path, program=False)

    harness.in_child(child)
    found = [denial.path for denial in log.denials() if denial.path == str(tmp_path)]
    assert ([str(tmp_path)] if wanted == "denials" else []) == found


@pytest.mark.skipif(harness.ABI < QUIET_ABI, reason="needs: Landlock ABI 10")
@pytest.mark.parametrize("beneath", [False, True])
def test_quiet_is_no_right(beneath: bool, log: kernel_log.Log, tmp_path: Path):
    """At and beneath a quiet path all is denied as before, and not logged; beside it, it is."""
    quiet, loud = tmp_path / "quiet", tmp_path / "loud"
    subject = quiet / "beneath" if beneath else quiet
    for folder in (quiet, quiet / "beneath", loud):
        folder.mkdir()

    def child() -> list[int]:
        confine((), quiet)
        return [harness.errno_of(partial(os.listdir, path)) for path in (subject, loud)]

    assert [errno.EACCES, errno.EACCES] == harness.in_child(child)
    assert [str(loud)] == [denial.path for denial in log.denials() if str(tmp_path) in denial.path]


@pytest.mark.skipif(harness.ABI < QUIET_ABI, reason="needs: Landlock ABI 10")
def test_quiet_beside_a_grant_takes_no_right(tmp_path: Path):
    """A quiet path that is granted too keeps exactly the granted rights, whichever rule comes first."""
    rights = handled(harness.ABI, tcp=False)

    def child(first: str) -> list[int]:
        fd = os.open(tmp_path, os.O_PATH)
        process.set_no_new_privs()
        rules = [("grant", fd, downgrade.mask(("read_dir",)))]
        made, _ = ruleset.build(downgrade.mask(rights.fs), 0, 0, rules if first == "grant" else [], with_quiet=True)
        assert ruleset.hush(made, str(tmp_path), fd)["errno"] == 0
        if first == "quiet":
            landlock.add_path(made, downgrade.mask(("read_dir",)), fd)
        ruleset.enforce(made)
        return [harness.errno_of(lambda: os.listdir(tmp_path)), harness.errno_of(lambda: os.mkdir(tmp_path / "new"))]

    for first in ("grant", "quiet"):
        assert [0, errno.EACCES] == harness.in_child(partial(child, first))


def test_a_whole_run(sandbox: world.Sandbox, log: kernel_log.Log, outside: Path):
    """The program's denial is logged, that of a quiet path (ABI 10) and the canary's are not.

    Of a verification's hundreds only those are that it tries from programs of its own: on threads' names.
    """
    world.needs_python()
    quiet, loud = outside / "quiet", outside / "loud"
    code = "for path in given['paths']: answer[path] = attempt(os.listdir, path)"
    policy = world.policy(runtime={"kernel_log_quiet": [str(quiet)]})
    paths = [str(quiet), str(loud)]
    answers = sandbox.ask(code, "--name", "logged", "--verify", policy=policy, paths=paths)
    assert dict.fromkeys(paths, "EACCES") == answers
    found = log.denials()
    (domain,) = {denial.domain for denial in found if denial.path == str(loud)}
    told = [denial.path for denial in found if denial.domain == domain and not denial.path.startswith("/proc/")]
    can_be_quiet = harness.ABI >= QUIET_ABI
    assert ([str(loud)] if can_be_quiet else paths) == told
    assert can_be_quiet == ("landlock.quiet-missing" not in sandbox.record("logged").findings)


def test_a_whole_run_with_the_log_off(sandbox: world.Sandbox, log: kernel_log.Log, outside: Path):
    """Nothing is logged of it, and the report says so."""
    world.needs_python()
    loud = outside / "loud"
    code = "answer['loud'] = attempt(os.listdir, given['loud'])"
    policy = world.policy(runtime={"kernel_log": "off"})
    assert {"loud": "EACCES"} == sandbox.ask(code, "--name", "off", policy=policy, loud=loud)
    assert [] == [denial for denial in log.denials() if denial.path == str(loud)]
    record = sandbox.record("off")
    flags = ["same_exec_off", "subdomains_off"]
    assert {"state": "off", "flags": flags, "quiet": []} == record.effective["landlock"]["log"]
    assert {"log": flags, "quiet": []} == record.receipt["landlock"]
