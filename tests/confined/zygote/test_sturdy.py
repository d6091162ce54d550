"""What a program may try on the first process of its sandbox, and a link that leads elsewhere than the last time."""

import contextlib
import functools
import os

import pytest

from pyopenshell import OpenShellError, Sandbox
from tests.confined.zygote.conftest import sh


def test_a_program_cannot_end_its_sandbox_by_an_interrupt(box):
    """SIGINT is one that an interpreter has a handler for, so that the kernel would deliver it to a first process."""
    box.run(sh("kill -INT 1; kill -TERM 1; kill -HUP 1"))
    assert box.run(["/bin/true"]).ok


def in_between(folder, action):
    """Do something in a folder that a program opens and closes all the time: its owner may be kept out, too."""
    while True:
        try:
            return action()
        except PermissionError:
            os.chmod(folder, 0o755)


def test_a_folder_that_is_closed_meanwhile_is_no_failure_of_the_program(box, workdir):
    """A program ran, or it did not: what its folder's mode is afterwards does not change which."""
    box.run(sh("mkdir inner; (while :; do chmod 0 .; chmod 755 .; done) >/dev/null 2>&1 &"))
    for _ in range(60):
        ran = workdir / "inner" / "ran"
        told = None
        try:
            box.run(sh("echo > ran"), cwd="inner")
        except OpenShellError as error:
            told = error
        assert not (in_between(workdir, ran.exists) and told), told
        in_between(workdir, functools.partial(ran.unlink, missing_ok=True))


@pytest.mark.parametrize("number", [65, 10**20])
def test_a_signal_that_is_none_ends_nothing(box, number):
    """It may be refused here, and does not reach init."""
    with box.popen(sh("sleep 30")) as process:
        with contextlib.suppress(OpenShellError):
            process.send_signal(number)
        process.kill()
    assert box.run(["/bin/true"]).ok


def test_a_link_that_leads_elsewhere_since_is_followed(options, tmp_path, workdir):
    """A plan for the folder it led to before is not used again."""
    link = tmp_path / "current"
    for name in ("a", "a", "b", "b"):
        folder = workdir / name
        folder.mkdir(exist_ok=True)
        os.chown(folder, workdir.stat().st_uid, workdir.stat().st_gid)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        with Sandbox(**{**options, "workdir": link}) as box:
            assert str(folder) == box.run(["/bin/pwd"]).stdout.strip()
