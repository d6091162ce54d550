"""From arguments to an exit code: dispatch, errors, streams that end early, and isolation as root."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.cases import make_state

import pyopenshell
from pyopenshell import __main__
from pyopenshell.cli import app
from pyopenshell.cli import run as cli_run
from pyopenshell.errors import CommandError, NoSuchSandbox, PolicyError, Problem

PACKAGE = Path(pyopenshell.__file__).parent
COMMAND = [sys.executable, "-I", str(PACKAGE / "__main__.py")]


def openshell(*argv, **options):
    """Run the command as a process of its own."""
    return subprocess.run([*COMMAND, *argv], capture_output=True, text=True, check=False, timeout=60, **options)


def raising(problem):
    """Return a verb that fails."""

    def verb(_arguments):
        raise problem

    return verb


def test_version():
    """``-V`` and ``--version`` print one line."""
    for flag in ("-V", "--version"):
        done = openshell(flag)
        assert (0, f"openshell {pyopenshell.__version__}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_package_is_found_when_started_by_path():
    """The file can be started in isolated mode where the package is not installed: it finds its own package."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PACKAGE / "__main__.py"), "-V"], capture_output=True, text=True, check=False
    )
    assert (0, f"openshell {pyopenshell.__version__}\n") == (done.returncode, done.stdout), done.stderr


def test_another_installed_version_is_not_taken(tmp_path):
    """Started by path, the file runs its own package even where another one comes first."""
    (tmp_path / "pyopenshell").mkdir()
    (tmp_path / "pyopenshell" / "__init__.py").write_text("__version__ = 'wrong'\n")
    done = subprocess.run(
        [sys.executable, str(PACKAGE / "__main__.py"), "-V"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"openshell {pyopenshell.__version__}\n" == done.stdout, done.stderr


@pytest.mark.parametrize(
    ("problem", "as_run", "as_verb"),
    [
        (NoSuchSandbox("no"), 125, 3),
        (PolicyError([Problem("no")]), 125, 1),
        (CommandError("no"), 127, 127),
        (ValueError("no"), 125, 4),
        (PermissionError(13, "Permission denied", "/x"), 125, 4),
        (KeyboardInterrupt(), 130, 130),
        (BrokenPipeError(), 141, 141),
    ],
)
def test_exit_codes_of_failures(monkeypatch, problem, as_run, as_verb):
    """``run`` keeps 125 for us, whatever it is; other verbs use each error's own code."""
    monkeypatch.setattr(__main__, "_silence_stdout", lambda: None)
    monkeypatch.setattr(cli_run, "main", raising(problem))
    monkeypatch.setattr(app, "main", raising(problem))
    assert as_run == __main__.main(["run", "x"])
    assert as_run == __main__.main(["-v", "run", "x"])
    assert as_verb == __main__.main(["sandbox", "list"])


def test_unexpected_failures_are_one_line(monkeypatch, capsys):
    """A bug is one line that asks for a report; the traceback needs OPENSHELL_DEBUG."""
    monkeypatch.setattr(app, "main", raising(ValueError("odd\x1b[2J")))
    monkeypatch.delenv("OPENSHELL_DEBUG", raising=False)
    __main__.main(["doctor"])
    shown = capsys.readouterr().err
    assert "openshell: internal error: ValueError: odd\\x1b[2J" == shown.splitlines()[0]
    assert "please report" in shown.splitlines()[1]
    assert 2 == len(shown.splitlines())
    monkeypatch.setenv("OPENSHELL_DEBUG", "1")
    __main__.main(["doctor"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["run", "-o", "json", "--", "x"], ["sandbox", "list", "-o", "json"], ["why", "-o=json", "/"]]
)
def test_failures_as_json(monkeypatch, capsys, argv):
    """With ``-o json`` every failure, our bugs too, is the documented object on stderr."""
    monkeypatch.delenv("OPENSHELL_DEBUG", raising=False)
    for problem in (NoSuchSandbox("no", hint="h"), ValueError("no")):
        monkeypatch.setattr(cli_run, "main", raising(problem))
        monkeypatch.setattr(app, "main", raising(problem))
        __main__.main(argv)
        shown = capsys.readouterr()
        assert "" == shown.out
        assert ["code", "message", "hint", "file", "line", "column"] == list(json.loads(shown.err)["error"])


def test_the_commands_own_options_do_not_change_our_errors(monkeypatch, capsys):
    """``run cat -o json``: the JSON is cat's."""
    monkeypatch.setattr(cli_run, "main", raising(NoSuchSandbox("no")))
    __main__.main(["run", "cat", "-o", "json"])
    assert "openshell: no\n" == capsys.readouterr().err


def test_reader_that_leaves_early(tmp_path):
    """``| head``: no traceback, no message, the exit code of a program ended by SIGPIPE."""
    make_state(tmp_path)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "sandbox", "inspect", "demo"],
        env={"XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (141, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("argv", [["-V"], ["policy", "default"], ["--help"], ["doctor"]])
def test_full_disk(argv):
    """What cannot be written is said, once."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, *argv], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert 4 == done.returncode
    assert "openshell: cannot write to standard output: No space left on device" == done.stderr.splitlines()[0]
    assert "Exception ignored" not in done.stderr


def test_closed_streams():
    """Without standard output, or without any stream, nothing fails."""
    for closed in (">&-", ">&- 2>&- <&-"):
        done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, "policy", "default"], check=False)
        assert 0 == done.returncode


def test_interrupt_is_quiet():
    """Ctrl-C while a policy is read from standard input: 130 and no traceback."""
    child = subprocess.Popen(
        [*COMMAND, "policy", "validate", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while child.poll() is None and not _reads_stdin(child.pid):
        os.sched_yield()
    child.send_signal(2)
    _, shown = child.communicate(timeout=30)
    assert (130, "") == (child.returncode, shown)


def _reads_stdin(pid):
    """Whether the process is inside read(0, …): number 0 on x86_64, 63 on aarch64, then the descriptor."""
    words = Path(f"/proc/{pid}/syscall").read_text().split()
    return words[:2] in (["0", "0x0"], ["63", "0x0"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is isolated from its Python environment")
def test_root_is_isolated_from_the_callers_python(tmp_path):
    """As root, a module planted through PYTHONPATH or the current folder is not the one that is imported."""
    (tmp_path / "yaml.py").write_text("import os; os.write(2, b'planted\\n')\n")
    (tmp_path / "rich.py").write_text("import os; os.write(2, b'planted\\n')\n")
    policy = tmp_path / "p.yaml"
    policy.write_text("version: 1\n")
    paths = os.pathsep.join([str(tmp_path), str(PACKAGE.parent)])
    for argv, environment in (
        (["-m", "pyopenshell"], {"PYTHONPATH": str(PACKAGE.parent)}),
        (["-c", "from pyopenshell.__main__ import main; raise SystemExit(main())"], {"PYTHONPATH": paths}),
        ([str(PACKAGE / "__main__.py")], {"PYTHONPATH": paths}),
    ):
        done = subprocess.run(
            [sys.executable, *argv, "policy", "validate", str(policy)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr), argv
        assert "valid" in done.stdout


@pytest.mark.parametrize(
    ("isolated", "variables", "path", "expected"),
    [
        (1, {"PYTHONPATH": "/x"}, [""], False),
        (0, {}, ["/usr/lib/python3"], False),
        (0, {"PYTHONDONTWRITEBYTECODE": "1"}, ["/usr/lib/python3"], True),
        (0, {}, [""], True),
        (0, {}, [os.getcwd()], True),
    ],
)
def test_what_counts_as_influence(monkeypatch, isolated, variables, path, expected):
    """PYTHON* variables and the current folder on the path do; an isolated interpreter is never restarted."""
    flags = argparse.Namespace(isolated=isolated)
    monkeypatch.setattr("site.ENABLE_USER_SITE", False)
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "flags", flags)
    monkeypatch.setattr(sys, "path", path)
    assert expected == __main__._influenced()


@pytest.mark.parametrize(("enabled", "there"), [(True, True), (True, False), (False, True), (None, True)])
def test_a_users_own_packages_count_as_influence(monkeypatch, tmp_path, enabled, there):
    """Packages in the user's home count where Python looks at them: not in a virtual environment."""
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "flags", argparse.Namespace(isolated=0))
    monkeypatch.setattr(sys, "path", ["/usr/lib/python3"])
    monkeypatch.setattr("site.ENABLE_USER_SITE", enabled)
    monkeypatch.setattr("site.USER_SITE", str(tmp_path if there else tmp_path / "missing"))
    assert (enabled is True and there) == __main__._influenced()


def test_public_names_are_lazy_and_there():
    """``import pyopenshell`` imports nothing else of it; every public name can be had; others cannot."""
    code = (
        "import sys, pyopenshell; print(sorted(n for n in sys.modules if n.startswith('pyopenshell.')));"
        "print(all(getattr(pyopenshell, name) for name in pyopenshell._PUBLIC), 'plan' in dir(pyopenshell))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "[]\nTrue True\n" == done.stdout, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pyopenshell.nothing


def test_a_starved_host():
    """An error that can come from anywhere has a hint all the same: which limit to raise."""
    problem = __main__._unexpected(BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
    assert "system" == problem.code
    assert "ulimit -u" in (problem.hint or "")
