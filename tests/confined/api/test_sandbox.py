"""``Sandbox``: what it confines, what is known of it, and how it ends."""

import copy
import gc
import json
import os
import pickle
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from pyopenshell import NameInUse, OpenShellError, Policy, PolicyRefused, Sandbox, SandboxGone, UsageError, runs
from pyopenshell.kernel import landlock, process
from pyopenshell.zygote import client, own_ends, protocol, rights
from tests.confined.api.conftest import descriptors
from tests.confined.api.test_run import environment
from tests.confined.landlock import harness

WRITING = 1 << 1 | 1 << 8
"""``write_file`` and ``make_reg`` (linux/landlock.h)."""


def test_commands_share_one_sandbox(box):
    """The same private folders, namespaces and domain; and none of the host's."""
    box.run(["/bin/sh", "-c", "echo kept > /tmp/it"], check=True)
    assert "kept\n" == box.run(["/bin/cat", "/tmp/it"], check=True).stdout
    links = {box.run(["/bin/readlink", f"/proc/self/ns/{kind}"]).stdout for kind in ("pid", "mnt", "net") for _ in "ab"}
    own = {os.readlink(f"/proc/self/ns/{kind}") + "\n" for kind in ("pid", "mnt", "net")}
    assert links.isdisjoint(own) or box.effective.isolation["mount"].state != "private"


def test_what_is_not_granted_is_denied(box, workdir):
    """The kernel confines, and the policy that is in force says the same."""
    assert box.run(["/bin/sh", "-c", "echo x > /etc/motd"]).exit != 0
    assert not box.effective.why("/etc/motd", write=True).allowed
    assert box.run(["/bin/sh", "-c", "echo x > here"]).exit == 0
    assert box.effective.why(workdir / "here", write=True).allowed
    assert "x\n" == (workdir / "here").read_text()


def test_what_is_known_of_it_is_what_its_record_says(box):
    """Name, id, process, effective policy and receipt."""
    view = runs.find(box.name)
    stored = view.effective()
    assert (view.id, view.path) == (box.run_id, box.record)
    assert stored
    assert stored["digest"] == box.effective.digest == box.receipt["effective_digest"]
    assert "running" == view.state
    assert os.path.exists(f"/proc/{box.pid}")


def test_results_keep_the_evidence(options):
    """Also when the sandbox is closed and its record is gone, and in another process."""
    with Sandbox(name="evidence", **options) as box:
        digest = box.effective.digest
    with Sandbox(name="evidence", **options) as unread:
        result = unread.run(["/bin/true"])
    shutil.rmtree(unread.record)
    copy = pickle.loads(pickle.dumps(result))
    assert digest == result.effective.digest == copy.effective.digest == unread.effective.digest
    assert digest == copy.receipt["effective_digest"]


def test_closing_ends_everything(options):
    """Commands that run in other threads raise; the record says that it is over; closing twice is nothing."""
    box = Sandbox(**options).start()
    process = box.popen(["sleep", "1000"])
    seen = []

    def run():
        try:
            box.run(["sleep", "1000"])
        except SandboxGone as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while len(os.listdir(f"/proc/{box.pid}/task")) != 1 or not box.run(["/bin/true"]).ok:
        pass
    pid, record = box.pid, box.record
    box.close()
    box.close()
    thread.join(60)
    process.close()
    assert not os.path.exists(f"/proc/{pid}")
    assert "exited" == runs.RunView(record).state
    assert [] == [error for error in seen if "closed" not in str(error)]
    assert not thread.is_alive()
    with pytest.raises(SandboxGone, match="closed"):
        box.run(["/bin/true"])
    with pytest.raises(SandboxGone, match="closed"):
        box.start()
    assert not box.is_open


def test_one_that_was_not_started_says_so(options):
    """Nothing is started by making the object, and nothing can be asked of it."""
    box = Sandbox(**options)
    assert not box.is_open
    for ask in (lambda: box.run(["/bin/true"]), lambda: box.effective, lambda: box.pid):
        with pytest.raises(SandboxGone, match="not started"):
            ask()
    box.close()


def test_one_that_is_ended_from_outside_says_so(box):
    """Its first process is killed: the next call raises, with the reason."""
    process = box.popen(["sleep", "1000"])
    os.kill(box.pid, signal.SIGKILL)
    with pytest.raises(SandboxGone, match=r"has ended: .*killed"):
        process.wait()
    with pytest.raises(SandboxGone, match=r"has ended: .*killed"):
        box.run(["/bin/true"])
    process.close()
    assert not box.is_open
    assert "killed" in box.lost


def test_a_sandbox_that_is_forgotten_ends_with_a_warning(options):
    """As a file that was not closed does."""
    box = Sandbox(**options).start()
    pid = os.pidfd_open(box.pid)
    with pytest.warns(ResourceWarning, match=f"unclosed.*{box.name}"):
        del box
    assert [[pid], [], []] == [*select.select([pid], [], [], 60)]
    os.close(pid)


def test_a_launch_that_fails_harms_nobody(box, options, workdir):
    """Its error is that of the command; the sandboxes there are go on, and new ones can be made."""
    os.makedirs(runs.state_root(), exist_ok=True)
    with pytest.raises(PolicyRefused):
        Sandbox(
            Policy.from_dict({"version": 1, "filesystem_policy": {"read_write": [runs.state_root()]}}), **options
        ).start()
    with pytest.raises(UsageError):
        Sandbox(**options | {"workdir": workdir / "missing"}).start()
    with pytest.raises(NameInUse):
        Sandbox(name=box.name, **options).start()
    assert box.run(["/bin/true"]).ok
    with Sandbox(**options) as other:
        assert other.run(["/bin/true"]).ok


def test_a_policy_is_what_its_text_says(options):
    """What is changed in the object alone would not be enforced, and is refused."""
    policy = Policy.parse("version: 1\nfilesystem_policy: {read_write: [/opt]}\n")
    files = policy.filesystem.replace(read_write=())
    with pytest.raises(UsageError, match="not what its text says"):
        Sandbox(policy.replace(filesystem=files), **options)


def test_a_policy_may_be_a_file(options, workdir):
    """A path; what is wrong in it is said when the object is made."""
    (workdir / "policy.yaml").write_text("version: 1\nfilesystem_policy: {include_workdir: true}\n")
    with Sandbox(workdir / "policy.yaml", **options) as box:
        assert box.effective.file == str(workdir / "policy.yaml")
        assert json.loads(json.dumps(box.effective.declared))["version"] == 1


def test_variables_of_the_sandbox_are_set_or_passed(options, monkeypatch):
    """None takes the caller's own value, at the time of the start."""
    monkeypatch.setenv("FROM_HERE", "here")
    with Sandbox(env={"FROM_HERE": None, "GREETING": "hello=1"}, **options) as box:
        assert "here hello=1\n" == box.run(["/bin/sh", "-c", "echo $FROM_HERE $GREETING"]).stdout


def test_many_threads_use_it_at_once(box):
    """Each gets its own command's output."""
    with ThreadPoolExecutor(8) as pool:
        outputs = pool.map(lambda number: box.run(["/bin/echo", str(number)]).stdout, range(64))
        assert [f"{number}\n" for number in range(64)] == list(outputs)


def test_nothing_is_left_open(options):
    """Neither by sandboxes that end, nor by those that cannot be started."""
    with Sandbox(**options):
        pass
    before = descriptors()
    for _ in range(5):
        with Sandbox(**options) as box:
            box.run(["/bin/true"])
        with pytest.raises(UsageError):
            Sandbox(name="NOT A NAME", **options).start()
    assert before == descriptors()


def test_two_threads_close_it_at_once(options):
    """Both return when it is gone."""
    box = Sandbox(**options).start()
    pid = box.pid
    gone = []

    def close():
        box.close()
        gone.append(os.path.exists(f"/proc/{pid}"))

    threads = [threading.Thread(target=close) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(deadline - time.monotonic())
    assert [False] * 4 == gone


def test_its_owner_imports_little(options):
    """Nothing of what plans and launches, no YAML parser and no ctypes: those are the zygote's, or nobody's."""
    code = (
        "import sys; from pyopenshell import Sandbox\n"
        f"with Sandbox(workdir={str(options['workdir'])!r}, max_abi={options['max_abi']}) as box:\n"
        "    box.run(['/bin/true'], check=True)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    heavy = {"ctypes", "yaml", "json", "asyncio", "subprocess", "pyopenshell.planning", "pyopenshell.launch.supervisor"}
    assert set() == heavy & set(done.stdout.split())


@contextmanager
def no_more_descriptors(spare):
    """Let this process open only so many more, for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("spare", range(9))
def test_a_process_without_descriptors_says_so(box, options, spare):
    """Wherever the last one was used; nothing is lost, and nothing is left behind."""
    with Sandbox(**options):
        pass
    before, told = descriptors(), list[str]()
    with no_more_descriptors(spare):
        for attempt in (lambda: box.run(["/bin/true"], input="x"), lambda: Sandbox(**options).start().close()):
            try:
                attempt()
            except OpenShellError as error:
                told.append(str(error))
    assert [] == [text for text in told if "Too many open files" not in text]
    assert spare > 1 or len(told) == 2
    assert before == descriptors()
    assert box.run(["/bin/true"]).ok


def test_an_owner_that_confines_itself_confines_its_sandboxes(options, workdir):
    """In a Landlock domain that it entered after its first sandbox, it has none made that may do more than itself.

    The sandbox that was open goes on. The new zygote is in the domain too, where there is little that it can start.
    """

    def confine_and_ask():
        process.set_no_new_privs()
        with Sandbox(**options) as box:
            (before,) = client._zygotes.values()
            identity = rights.identity()
            landlock.restrict_self(landlock.create_ruleset(WRITING, 0, 0))
            try:
                with Sandbox(**options) as other:
                    other.run(["/bin/sh", "-c", "echo escaped > escaped"])
            except OpenShellError:
                pass
            again = box.run(["/bin/sh", "-c", "echo on > on"], input="").exit
            return before in client._retired, identity == rights.identity(), again

    assert (True, True, 0) == harness.in_child(confine_and_ask)
    assert ["on"] == os.listdir(workdir)


def test_many_threads_start_it_at_once(options):
    """One sandbox is made, for all of them."""
    box, before = Sandbox(**options), len(client.held)
    with ThreadPoolExecutor(4) as threads:
        assert 1 == len({started.run_id for started in threads.map(lambda _: box.start(), range(4))})
    assert before + 1 == len(client.held)
    box.close()
    assert before == len(client.held)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_nothing_that_is_alive_is_copied(box, way):
    """A copy that is forgotten would end the original."""
    with box.popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        for alive in (box, process):
            with pytest.raises(TypeError, match="cannot be copied"):
                way(alive)
    assert box.run(["/bin/true"]).ok


@pytest.mark.filterwarnings("ignore:unclosed <socket", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_leaves_nothing_open(options, monkeypatch):
    """Wherever it comes while a connection, or a command's streams, are made."""

    class Interruption(BaseException):
        """KeyboardInterrupt, at a time of our choosing."""

    def interrupted(function):
        def call(*arguments):
            function(*arguments)
            raise Interruption

        return call

    with Sandbox(**options) as box:
        before = len(client.held), descriptors()
        for where, name in ((client, "connect"), (own_ends, "pair"), (protocol, "Reader")):
            with monkeypatch.context() as patched:
                patched.setattr(where, name, interrupted(getattr(where, name)))
                for attempt in (lambda: Sandbox(**options).start().close(), lambda: box.run(["/bin/true"])):
                    try:
                        attempt()
                    except Interruption:
                        pass
            gc.collect()
            assert before == (len(client.held), descriptors())
        assert box.run(["/bin/true"]).ok
