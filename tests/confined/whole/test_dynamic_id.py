"""Dynamic ids: what a sandbox of root's own folder runs as."""

import fcntl
import os

from pyopenshell.launch import dynamic_id
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole.test_identity import without_account

pytestmark = needs_landlock


def of_root(root):
    """Let the working folder be root's, and enterable."""
    without_account()
    os.chown(root.workdir, 0, 0)
    root.workdir.chmod(0o755)


def uid(root, *options):
    """Return the uid a run has inside, and its source by the record of that name."""
    done = root.run("-q", *options, "--", "id", "-u")
    assert (0, "") == (done.returncode, done.stderr)
    return int(done.stdout)


def is_locked(number):
    """Tell whether somebody holds the id, as systemd would ask."""
    try:
        with open(f"{dynamic_id.LOCKS}/{number}", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # it was let go of
        pass
    return False


def test_a_name_keeps_its_id_and_shares_it_with_none(root):
    """The same --name has the same id again, another name has another one; all are in systemd's range."""
    of_root(root)
    first, second, again = (uid(root, "-n", name) for name in ("one", "two", "one"))
    assert first == again != second
    assert {first, second} <= set(range(61184, 65520))
    identity = root.record("one").effective["identity"]
    assert (first, first, [], "dynamic") == tuple(identity[key] for key in ("uid", "gid", "groups", "source"))


def test_the_id_is_locked_while_the_sandbox_runs(root):
    """Nobody else can take the id in the meantime, and afterwards they can."""
    of_root(root)
    with root.start("-q", "-n", "held", "--", "sh", "-c", "id -u; read line") as process:
        number = int(world.read_line(process))
        assert is_locked(number)
        process.communicate("\n", timeout=world.SECONDS)
    assert not is_locked(number)


def test_an_id_that_is_held_is_passed_over(root):
    """While someone else holds a name's id, its sandbox runs as another one."""
    of_root(root)
    number = uid(root, "-n", "passed")
    with open(f"{dynamic_id.LOCKS}/{number}", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert number != uid(root, "-n", "passed")
    os.unlink(file.name)


def test_a_home_of_its_own(root):
    """HOME is a private folder of the id, USER is no other account's name, and the working folder stays root's."""
    of_root(root)
    code = """
home = os.environ["HOME"]
answer = {"home": home, "owner": os.stat(home).st_uid, "uid": os.getuid(), "mode": os.stat(home).st_mode & 0o777}
answer |= {"user": os.environ["USER"], "write": attempt(os.mkdir, given["path"])}
"""
    told = root.ask(code, "-n", "home", path=root.workdir / "new")
    assert (told["uid"], 0o700, "sandbox", "EACCES") == (told["owner"], told["mode"], told["user"], told["write"])
    assert (0, 0) == (root.workdir.stat().st_uid, root.workdir.stat().st_gid)
