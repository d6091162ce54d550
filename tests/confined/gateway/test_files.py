"""The file agent in a sandbox that a supervisor keeps: confined by birth, and gone with its connection or sandbox."""

import asyncio
import errno
import os
import signal

import pytest

from pyopenshell.errors import SandboxGone
from pyopenshell.gateway.files import send
from pyopenshell.gateway.files.local import LocalFiles
from pyopenshell.gateway.files.receive import Receiver
from pyopenshell.gateway.files.remote import RemoteFiles
from pyopenshell.gateway.files.words import FilesError
from pyopenshell.planning import RunRequest
from pyopenshell.policy import making
from pyopenshell.supervisor.client import Supervisors, Wanted
from pyopenshell.supervisor.session import Program
from tests.confined.landlock import harness

pytestmark = harness.needs_landlock

POLICY = """\
version: 1
filesystem_policy:
  include_workdir: true
  read_only: [{closed}]
"""


@pytest.fixture
def use(workdir, open_folder):
    """Run an action with a sandbox that works in ``workdir`` and may only read ``open_folder``."""

    def run(action):
        async def started():
            supervisors = Supervisors()
            try:
                box = await supervisors.launch(
                    Wanted(
                        request=RunRequest(command=(), workdir=str(workdir), programs=("sh", "sleep")),
                        policy=making.parse(POLICY.format(closed=open_folder)),
                        main=None,
                        environ=dict(os.environ),
                        meta={},
                    )
                )
                try:
                    return await action(box)
                finally:
                    await box.stop()
            finally:
                supervisors.close()

        return asyncio.run(started())

    return run


def below(pid):
    """The processes that a process started, and those that these did."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue
    found, grown = {pid}, True
    while grown:
        more = {one for one, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {pid}


async def until(condition):
    """Wait for what has to come about."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def upload(box, path, destination, name=""):
    """Upload a path as the service does."""
    async with (
        RemoteFiles(await box.files()) as files,
        LocalFiles() as here,
        Receiver(files, os.fsencode(destination), os.fsencode(name)) as receiver,
    ):
        async for frame in send.frames(here, os.fsencode(path)):
            await receiver.take(frame)
        return await receiver.finish()


def test_an_agent_is_a_process_of_the_sandbox(use, workdir):
    """Same filter, no privileges to gain, no capabilities, its uid; and nobody of that uid can look into it."""

    async def action(box):
        async with RemoteFiles(await box.files()) as files, await files.open("/proc/self/status") as file:
            status = dict(line.split(":\t", 1) for line in (await file.read(0, 4096)).decode().splitlines())
            with pytest.raises(PermissionError):
                await files.open(f"/proc/{status['Pid']}/mem")
            program = await box.start(
                Program(argv=("/bin/sh", "-c", f"cat /proc/{status['Pid']}/environ"), stdin=False)
            )
            ended = [told async for told in program][-1]
            return status, ended.code, await files.realpath(".")

    status, code, folder = use(action)
    assert ("2", "1", "0000000000000000") == (status["Seccomp"], status["NoNewPrivs"], status["CapEff"])
    assert {str(os.stat(workdir).st_uid)} == set(status["Uid"].split())
    assert code != 0
    assert os.fsencode(workdir) == folder


@pytest.mark.parametrize("destination", ["{closed}/new", "link/new", "link", "out/../new", "/etc/new", "/new/deep"])
def test_no_destination_leaves_what_may_be_written(use, workdir, open_folder, destination):
    """Outright, through links that a program planted, upwards: the kernel refuses, and the message says what to do."""
    (workdir / "link").symlink_to(open_folder)
    (workdir / "out").symlink_to(open_folder / "deep")
    (open_folder / "deep").mkdir()
    open_folder.chmod(0o777)
    (workdir / "what").write_text("x")

    async def action(box):
        with pytest.raises(FilesError) as caught:
            await upload(box, workdir / "what", destination.format(closed=open_folder), "what")
        return caught.value.code

    assert "files.denied" == use(action)
    assert ["deep"] == os.listdir(open_folder)


def test_what_may_not_be_read_is_not(use, workdir, open_folder):
    """A link that a program planted for somebody to download is read as the sandbox may, which is not at all."""
    state = os.environ["XDG_STATE_HOME"]
    os.makedirs(f"{state}/openshell", exist_ok=True)
    (workdir / "secret").symlink_to(f"{state}/openshell")
    (open_folder / "readable").write_text("x")

    async def action(box):
        async with RemoteFiles(await box.files()) as files:
            with pytest.raises(FilesError):
                async for _ in send.frames(files, b"secret"):
                    pass
            frames = [frame async for frame in send.frames(files, os.fsencode(open_folder))]
            return [frame.entry.path for frame in frames if frame.HasField("entry")]

    assert [b"", b"readable"] == use(action)


def test_modes_times_and_owner(use, workdir, open_folder):
    """What arrives belongs to the sandbox, with its mode and time, and without set-id bits."""
    (open_folder / "f").mkdir()
    (open_folder / "f/a").write_text("a")
    (open_folder / "f/a").chmod(0o6751)
    os.utime(open_folder / "f/a", ns=(1, 1234567890))

    async def action(box):
        return await upload(box, open_folder / "f", "", "f")

    summary = use(action)
    status = (workdir / "f/a").stat()
    assert (0o100751, 1234567890, os.stat(workdir).st_uid) == (status.st_mode, status.st_mtime_ns, status.st_uid)
    assert os.fsencode(workdir / "f") == summary.path


def test_agents_end_with_their_connection(use):
    """No process is left of those whose clients went, one of them in the midst of a file."""

    async def action(box):
        before = below(box.pid)
        async with RemoteFiles(await box.files()) as files:
            await files.status(".")
            assert len(below(box.pid)) == len(before) + 1
            await files.create("half")
        await until(lambda: below(box.pid) == before)
        return os.listdir(os.fsdecode(await real(box)))

    assert [] == use(action)


async def real(box):
    """Where the sandbox works."""
    async with RemoteFiles(await box.files()) as files:
        return await files.realpath(".")


def test_agents_end_with_their_sandbox(use):
    """Whoever waits for one is told, at once."""

    async def action(box):
        async with RemoteFiles(await box.files()) as files:
            await files.status(".")
            await box.stop()
            with pytest.raises(SandboxGone):
                await files.status(".")
        return below(box.pid)

    assert set() == use(action)


def test_a_program_that_is_ended_takes_no_agent_with_it(use):
    """Init ends a program with all that it left behind; an agent that came after it is none of that."""

    async def action(box):
        program = await box.start(Program(argv=("/bin/sh", "-c", "sleep 1000 & sleep 1000"), stdin=False))
        async with RemoteFiles(await box.files()) as files:
            await files.status(".")
            await program.cancel()
            _ = [told async for told in program]
            return (await files.status(".")).is_folder

    assert use(action)


def test_a_program_that_kills_the_agent_only_ends_the_transfer(use, workdir):
    """It has the same uid, so it can; the gateway sees the connection end, and the next agent serves."""

    async def action(box):
        async with RemoteFiles(await box.files()) as files:
            async with await files.open("/proc/self/stat") as file:
                pid = (await file.read(0, 100)).split()[0].decode()
            program = await box.start(Program(argv=("/bin/sh", "-c", f"kill -{signal.SIGKILL:d} {pid}"), stdin=False))
            _ = [told async for told in program]
            with pytest.raises(SandboxGone):
                await files.status(".")
        return await real(box)

    assert os.fsencode(workdir) == use(action)


def test_links_to_what_cannot_be_read_are_only_links(use):
    """Anybody may make one that points anywhere; whoever opens it is refused."""

    async def action(box):
        async with RemoteFiles(await box.files()) as files:
            await files.symlink("/etc/shadow", "link")
            with pytest.raises(OSError, match=r".") as caught:
                await files.open("link")
            return caught.value.errno

    assert use(action) in (errno.EACCES, errno.EPERM)
