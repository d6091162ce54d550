"""Which arguments of ``subprocess`` are taken, and what is said of the others."""

import inspect
import subprocess
from pathlib import Path

import pytest

from pyopenshell.integrations import subprocess as sandboxed
from pyopenshell.integrations.subprocess_arguments import REFUSED, command_of, refuse


def test_every_argument_of_the_standard_library_is_known():
    """Each parameter of ``subprocess.Popen`` is one of ours, or listed with the reason why it is not."""
    theirs = {*inspect.signature(subprocess.Popen).parameters}
    ours = {*inspect.signature(sandboxed.Popen).parameters} | REFUSED.keys()
    assert set() == theirs - ours


@pytest.mark.parametrize("name", REFUSED)
def test_the_standard_librarys_defaults_are_taken(name):
    """Who passes a default on explicitly is not refused."""
    default = inspect.signature(subprocess.Popen).parameters[name].default
    refuse({name: default})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("preexec_fn", print, "no code of this process"),
        ("close_fds", False, "inherits nothing"),
        ("pass_fds", (3,), "inherits nothing"),
        ("user", "nobody", "run_as_user"),
        ("umask", 0, "umask"),
        ("creationflags", 8, "Windows"),
        ("process_group", 7, "process group of its own"),
    ],
)
def test_what_makes_no_sense_is_refused(name, value, says):
    """The error says why, and nothing is started."""
    with pytest.raises(ValueError, match=says):
        sandboxed.run(["true"], **{name: value})


def test_what_nobody_knows_is_a_type_error():
    """A mistyped argument is told of as by any function."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'sandbx'"):
        sandboxed.run(["true"], sandbx=1)


def test_a_sandbox_has_its_policy():
    """Both at once would leave open which policy is in force."""
    with pytest.raises(ValueError, match="not both"):
        sandboxed.run(["true"], sandbox=object(), policy="policy.yaml")


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        (["ls", Path("/")], {}, ["ls", "/"]),
        ("ls", {}, ["ls"]),
        (Path("/bin/ls"), {}, ["/bin/ls"]),
        (b"ls", {}, ["ls"]),
        ("ls | cat", {"shell": True}, ["/bin/sh", "-c", "ls | cat"]),
        (["echo $0", "x"], {"shell": True}, ["/bin/sh", "-c", "echo $0", "x"]),
        ("ls", {"shell": True, "executable": "/bin/bash"}, ["/bin/bash", "-c", "ls"]),
    ],
)
def test_commands(args, options, words):
    """Words, one word, and a shell's line become what is started."""
    assert words == command_of(args, **{"shell": False, "executable": None, **options})


def test_another_executable_is_refused():
    """A program cannot be told another name than its own."""
    with pytest.raises(ValueError, match="first word"):
        command_of(["ls"], shell=False, executable="/bin/cat")
