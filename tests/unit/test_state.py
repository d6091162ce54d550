"""The state folder: where it is, and that it is refused when it is not ours alone, read-only or full."""

import os
import shutil
import subprocess
import sys

import pytest

from pyopenshell import runs, state
from pyopenshell.errors import StateError

INSIDE = """
import sys
from pyopenshell import runs
from pyopenshell.errors import StateError
try:
    {body}
except StateError as error:
    print("StateError:", error.message, "|", error.hint)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A state folder of the test's own; returns ``<state>/openshell``, which does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "openshell"


def with_mounts(mounts, body):
    """Mount, and run Python, in a mount namespace of their own; return what it says."""
    unshare = [shutil.which("unshare") or pytest.skip("unshare(1) is not installed"), "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces cannot be made here")
    script = f'{mounts} && exec "$0" -c "$1"'
    done = subprocess.run(
        [*unshare, "sh", "-c", script, sys.executable, INSIDE.format(body=body)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("euid", "setting", "expected"),
    [
        (0, None, "/var/lib/openshell"),
        (0, "/s", "/s/openshell"),
        (0, "relative", "/var/lib/openshell"),
        (1000, None, "/home/ada/.local/state/openshell"),
        (1000, "/s/", "/s/openshell"),
        (1000, "relative", "/home/ada/.local/state/openshell"),
        (1000, "", "/home/ada/.local/state/openshell"),
    ],
)
def test_state_root(euid, setting, expected, monkeypatch):
    """XDG's folder, if it is absolute; else the user's own, or the system's for root."""
    monkeypatch.setattr("os.geteuid", lambda: euid)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_STATE_HOME") if setting is None else monkeypatch.setenv("XDG_STATE_HOME", setting)
    assert expected == state.state_root()


@pytest.mark.parametrize(("setting", "expected"), [(None, "/home/ada/.config/openshell"), ("/c", "/c/openshell")])
def test_config_root(setting, expected, monkeypatch):
    """The configuration's folder follows the same rule, for root too."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if setting:
        monkeypatch.setenv("XDG_CONFIG_HOME", setting)
    assert expected == state.config_root()


def test_no_home(monkeypatch):
    """Without any absolute path to go by there is an error that says which variable to set."""
    monkeypatch.setenv("HOME", "relative")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(StateError) as error:
        state.config_root()
    assert "XDG_CONFIG_HOME" in str(error.value.hint)


@pytest.mark.parametrize("part", ["", "runs", "names"])
@pytest.mark.parametrize("spoil", ["link", "file", "group-writable", "world-writable"])
def test_a_folder_that_is_not_ours_alone(part, spoil, folder, tmp_path):
    """A link, a file, or a folder that others may write to, in the place of any of ours, is refused by every verb."""
    runs.create("demo", "", {}).close()
    place = folder / part
    if spoil in ("link", "file"):
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere") if spoil == "link" else place.write_text("")
    else:
        place.chmod(0o770 if spoil == "group-writable" else 0o777)
    for verb in (lambda: runs.create("demo", "", {}), runs.list_runs, lambda: runs.find("demo"), lambda: runs.prune(1)):
        with pytest.raises(StateError, match=r"is not safe to use: (it is a symbolic link|others may write)") as error:
            verb()
        assert "XDG_STATE_HOME" in str(error.value.hint)


def test_a_folder_of_someone_else(folder):
    """A folder that belongs to another uid is refused."""
    if os.geteuid() == 0:
        runs.create("demo", "", {}).close()
        os.chown(folder, 65534, 65534)
        with pytest.raises(StateError, match="belongs to uid 65534, and this is uid 0"):
            runs.list_runs()
    else:
        folder.mkdir()
        told = with_mounts(f"mount --bind /etc {folder}", "runs.list_runs()")
        assert "belongs to uid 65534, and this is uid 0" in told


def test_a_folder_that_others_can_read_is_closed(folder):
    """Where others could only look, they are shut out, and that is all."""
    folder.mkdir(mode=0o755)
    runs.create("demo", "", {}).close()
    assert folder.stat().st_mode & 0o7777 == 0o700


def test_a_file_on_the_way(monkeypatch, tmp_path):
    """A path that leads through a file is one clear error."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(StateError, match=r"cannot use the state folder .*: Not a directory"):
        runs.create("demo", "", {})


def test_parents_are_made(monkeypatch, tmp_path):
    """Folders above ours are made where they are missing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a" / "b"))
    runs.create("demo", "", {}).close()
    assert (tmp_path / "a" / "b" / "openshell" / "runs").is_dir()


def test_read_only(tmp_path):
    """On a read-only file system records can be read; making or removing one is one clear error."""
    runs.create("demo", "", {}).close()
    mounts = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path}"
    assert with_mounts(mounts, 'print(runs.find("demo").name)') == "demo"
    for body in ('runs.create("demo", "", {})', 'runs.delete("demo")'):
        told = with_mounts(mounts, body)
        assert told.startswith("StateError: cannot use the state folder")
        assert "Read-only file system | it must be writable" in told


@pytest.mark.parametrize(("inodes", "pages"), [(3, 16), (4, 16), (5, 16), (6, 16), (12, 0), (12, 2), (12, 3)])
def test_full(tmp_path, inodes, pages):
    """Without room for a record there is one clear error and no half of it; with room again, all is as it should be."""
    body = f"""
    import os
    place = {str(tmp_path)!r}
    for number in range(19 - {inodes}):
        with open(f"{{place}}/{{number}}", "wb") as file:
            file.write(bytes(4096 * (16 - {pages}) if number == 0 else 0))
    try:
        runs.create("demo", "x" * 9000, {{}})
    except StateError as error:
        print(error.message)
    print(runs.list_runs())
    for number in range(19 - {inodes}):
        os.unlink(f"{{place}}/{{number}}")
    runs.create("demo", "x" * 9000, {{}}).close()
    print(runs.find("demo").name, len(os.listdir(f"{{place}}/openshell/runs")))"""
    told = with_mounts(f"mount -t tmpfs -o size=64k,nr_inodes=20 none {tmp_path}", body.strip()).splitlines()
    assert told == [f"cannot use the state folder {tmp_path}/openshell: No space left on device", "[]", "demo 1"]


def test_full_while_running(tmp_path):
    """A file that does not fit any more is one clear error; what was there stays, and no half of it is left."""
    body = """
    import os
    run = runs.create("demo", "", {})
    run.write_json("effective.json", {"old": 1})
    try:
        run.write_json("effective.json", {"new": "x" * 200000})
    except StateError as error:
        print(error.message.partition(": ")[2])
    print(runs.find("demo").effective(), sorted(os.listdir(run.path)))"""
    told = with_mounts(f"mount -t tmpfs -o size=64k none {tmp_path}", body.strip()).splitlines()
    assert told == ["No space left on device", "{'old': 1} ['effective.json', 'meta.json', 'policy.yaml']"]


def test_every_folder_that_is_made_is_ours_alone(tmp_path):
    """Whatever the caller's umask, on the way to a folder too: the next command would refuse what others can write."""
    before = os.umask(0)
    try:
        os.close(state.open_folder(str(tmp_path / "a" / "b" / "c")))
        assert 0 == os.umask(0)
    finally:
        os.umask(before)
    assert [0o700] * 3 == [(tmp_path / path).stat().st_mode & 0o777 for path in ("a", "a/b", "a/b/c")]
