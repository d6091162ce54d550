"""The command's baseline, on real files: links, first lines, environments, and what is never taken for one."""

import os
import venv
from pathlib import Path

import pytest

from pyopenshell.baseline import command
from pyopenshell.policy.access import READ_ONLY


def executable(name):
    """Answer as the launch does: an absolute path to a regular file with an execute bit is itself."""
    return name if os.path.isfile(name) and os.access(name, os.X_OK) else None


def granted(path, find=executable, homes=()):
    """Return path -> rights for a command."""
    return {proposal.path: proposal.access for proposal in command.proposals(str(path), find, homes)}


def program(path: Path, text: str = "\x7fELF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def installation(root: Path, name: str = "python3") -> Path:
    """Make what looks like a Python installation, and return its interpreter."""
    (root / "lib/python3.11").mkdir(parents=True)
    (root / "lib/python3.11/os.py").touch()
    return program(root / "bin" / name)


def test_a_plain_program(tmp_path):
    """Its own file, to execute and read; not its folder."""
    path = program(tmp_path / "tool")
    assert {str(path): ("execute", "read_file")} == granted(path)


def test_links_are_followed_to_the_file(tmp_path):
    """One grant, by the name given: composition follows it to the file, and passing a link needs no right."""
    program(tmp_path / "real/tool-1.2")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").symlink_to("tool-1")
    (tmp_path / "bin/tool-1").symlink_to("../real/tool-1.2")
    assert {str(tmp_path / "bin/tool"): ("execute", "read_file")} == granted(tmp_path / "bin/tool")


def test_a_loop_of_links_ends(tmp_path):
    """A loop is proposed as it stands; composition finds that it leads nowhere."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert 1 == len(granted(tmp_path / "a"))


def test_a_real_virtual_environment(tmp_path):
    """What venv makes: the environment, and its interpreter, wherever that leads."""
    venv.create(tmp_path / "env", symlinks=True, with_pip=False)
    found = granted(tmp_path / "env/bin/python")
    assert READ_ONLY == found[str(tmp_path / "env")]
    assert ("execute", "read_file") == found[str(tmp_path / "env/bin/python")]


def test_the_installation_behind_a_virtual_environment(tmp_path):
    """The ``home`` key leads to the installation, which is granted because it is one."""
    python = installation(tmp_path / "opt/python-3.11")
    env = tmp_path / "env"
    (env / "bin").mkdir(parents=True)
    (env / "bin/python").symlink_to(python)
    (env / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    expected = {
        str(env / "bin/python"): ("execute", "read_file"),
        str(env): READ_ONLY,
        str(tmp_path / "opt/python-3.11"): READ_ONLY,
    }
    assert expected == granted(env / "bin/python")


def test_a_script_of_a_virtual_environment(tmp_path):
    """A console script brings its interpreter's environment through its first line."""
    python = installation(tmp_path / "python")
    script = program(tmp_path / "elsewhere/tool", f"#!{python} -I\nprint()\n")
    expected = {
        str(script): ("execute", "read_file"),
        str(python): ("execute", "read_file"),
        str(tmp_path / "python"): READ_ONLY,
    }
    assert expected == granted(script)


@pytest.mark.parametrize(
    "line",
    ["#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -u", "#! /usr/bin/env\tpython3 -u"],
)
def test_env_is_looked_up_on_the_path(tmp_path, line):
    """``env NAME`` is resolved by the sandbox's own PATH."""
    python = installation(tmp_path / "python")
    script = program(tmp_path / "tool", f"{line}\n")
    asked = []

    def find(name):
        asked.append(name)
        return str(python)

    assert str(tmp_path / "python") in granted(script, find)
    assert ["python3"] == asked


@pytest.mark.parametrize(
    "line",
    [
        "#!{secret}",
        "#!{secret}/key",
        "#!/usr/bin/env -S -C {secret} python3",
        "#!/usr/bin/env {secret}",
        "#!/usr/bin/env {secret}/key",
        "#!{folder}/env {secret}/key",
        "#!{folder}/env -S {secret}",
        "#!{secret}\x0bpython3",
        "#!/usr/bin/env -S A=1 {secret}",
    ],
)
def test_a_first_line_grants_no_file_that_is_no_program(tmp_path, line):
    """It may have been written by an earlier run of the sandbox: it must not open a folder or a file to it."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("x")
    program(tmp_path / "env")
    program(tmp_path / "secret\x0bpython3")
    script = program(tmp_path / "tool", line.format(secret=secret, folder=tmp_path) + "\n")
    allowed = {str(script), "/usr/bin/env", str(tmp_path / "env"), str(tmp_path / "secret\x0bpython3")}
    assert set(granted(script)) <= allowed


def test_interpreters_of_interpreters_end(tmp_path):
    """Scripts that name each other do not go on for ever."""
    one, two = tmp_path / "one", tmp_path / "two"
    program(one, f"#!{two}\n")
    program(two, f"#!{one}\n")
    assert {str(one), str(two)} == set(granted(one))


def test_a_fifo_does_not_block(tmp_path):
    """Only regular files are read for their first line."""
    os.mkfifo(tmp_path / "pipe")
    assert {str(tmp_path / "pipe")} == set(granted(tmp_path / "pipe"))


def test_a_conda_environment(tmp_path):
    """A folder with conda-meta above the command's is its prefix."""
    tool = program(tmp_path / "envs/ml/bin/tool")
    (tmp_path / "envs/ml/conda-meta").mkdir()
    assert {str(tool): ("execute", "read_file"), str(tmp_path / "envs/ml"): READ_ONLY} == granted(tool)


def test_a_pyenv_version(tmp_path):
    """An installation under ``versions`` is granted itself, not the folder of all versions."""
    python = installation(tmp_path / "versions/3.11.9")
    assert {str(python), str(tmp_path / "versions/3.11.9")} == set(granted(python))


@pytest.mark.parametrize("home", ["{0}", "{0}/me", "{0}/me/deep"])
def test_home_folders_are_never_environments(tmp_path, home):
    """Neither a home folder nor what encloses it is granted, whatever stands in it."""
    root = tmp_path / "home"
    python = installation(root)
    (root / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    (root / "conda-meta").mkdir()
    folder = Path(home.format(root))
    folder.mkdir(parents=True, exist_ok=True)
    assert {str(python)} == set(granted(python, homes=(str(folder),)))


@pytest.mark.parametrize("home", ["/", "/bin", "relative/bin", "", "/etc", "{0}/secret/bin", "{0}/env/../secret/bin"])
def test_a_forged_configuration_widens_nothing(tmp_path, home):
    """``pyvenv.cfg`` may have been written by an earlier sandbox: a home that is no installation is not granted."""
    tool = program(tmp_path / "env/bin/tool")
    (tmp_path / "secret/bin").mkdir(parents=True)
    (tmp_path / "env/pyvenv.cfg").write_text(f"home = {home.format(tmp_path)}\n")
    assert {str(tool), str(tmp_path / "env")} == set(granted(tool))


def test_a_configuration_without_home_is_no_environment(tmp_path):
    """PEP 405: the ``home`` key makes it one."""
    tool = program(tmp_path / "env/bin/tool")
    (tmp_path / "env/pyvenv.cfg").write_text("version = 3.11\n")
    assert {str(tool)} == set(granted(tool))


def test_the_system_is_not_proposed_again():
    """/usr holds a Python too, and is every sandbox's already."""
    assert "/usr" not in granted(os.path.realpath("/usr/bin/python3"))
