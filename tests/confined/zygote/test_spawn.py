"""How a program is found and started in a sandbox that is there: as execvp(3) would, with nothing of ours."""

import os
import resource

import pytest

from pyopenshell import CommandError, Sandbox
from pyopenshell.launch import steps
from tests.confined.zygote.conftest import program, sh

GLIBC = {32, 33}
"""Signals of the C library's own, which posix_spawn(3) ignores in the child; it sets them when it needs them."""


def refusal(box, *command, **options):
    """Run what cannot be started; return exit code, stable code and message."""
    with pytest.raises(CommandError) as refused:
        box.run([*command], **options)
    assert box.run(["/bin/true"]).ok
    return refused.value.exit_code, refused.value.code, str(refused.value)


@pytest.fixture
def path(workdir):
    """A search path of three folders in the working directory."""
    for name in ("one", "two", "three"):
        (workdir / name).mkdir(mode=0o755)
        os.chmod(workdir / name, 0o755)
    return {"PATH": f"{workdir}/one:{workdir}/two:{workdir}/three"}


def test_the_first_program_of_path_is_taken(box, workdir, path):
    """Folders and files that are not there are passed over."""
    program(workdir / "two" / "it", "#!/bin/sh\necho two\n")
    program(workdir / "three" / "it", "#!/bin/sh\necho three\n")
    (workdir / "one" / "it").mkdir()
    assert "two\n" == box.run(["it"], env=path).stdout


def test_what_may_not_be_executed_is_passed_over(box, workdir, path):
    """As long as a later folder has one that may; else that is the reason that is told."""
    program(workdir / "one" / "it", mode=0o644)
    assert (126, "command.not-executable") == refusal(box, "it", env=path)[:2]
    program(workdir / "three" / "it", "#!/bin/sh\necho three\n")
    assert "three\n" == box.run(["it"], env=path).stdout


def test_an_empty_folder_of_path_is_the_current_one(box, workdir):
    """Of the command, not of the sandbox."""
    (workdir / "inner").mkdir(mode=0o755)
    os.chmod(workdir / "inner", 0o755)
    program(workdir / "inner" / "it")
    assert "it runs\n" == box.run(["it"], env={"PATH": ""}, cwd="inner").stdout
    assert "it runs\n" == box.run(["it"], env={"PATH": "/nowhere:"}, cwd="inner").stdout
    assert 127 == refusal(box, "it", env={"PATH": ""})[0]


def test_a_slash_means_a_path(box, workdir, path):
    """Relative to the command's folder; PATH is not searched."""
    program(workdir / "two" / "it")
    assert "it runs\n" == box.run(["./it"], cwd="two").stdout
    assert "it runs\n" == box.run(["two/it"]).stdout
    assert 127 == refusal(box, "two/it", cwd="two", env=path)[0]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no-such-program", 127),
        ("/no/such/program", 127),
        ("/etc/passwd/x", 127),
        ("/etc", 126),
        ("/etc/passwd", 126),
        ("\ud800", 127),
    ],
)
def test_what_is_no_program(box, name, code):
    """A folder neither; what cannot be a name at all is an error like others."""
    assert code == refusal(box, name)[0]


def test_what_is_no_argument(box):
    """Text that no program can be given: the sandbox is none the worse for it."""
    assert 126 == refusal(box, "/bin/echo", "\ud800")[0]
    assert 126 == refusal(box, "/bin/echo", env={"A": "\ud800"})[0]
    assert 126 == refusal(box, "/bin/echo", "\ud800", terminal=True)[0]


def test_a_script_needs_its_first_line(box, workdir):
    """The kernel does not guess, and neither do we: as for ``openshell run``."""
    program(workdir / "it", "echo it runs\n")
    code, _, message = refusal(box, "./it")
    assert (126, True) == (code, "Exec format error" in message)


def test_a_missing_interpreter_is_a_missing_program(box, workdir):
    """As everywhere."""
    program(workdir / "it", "#!/no/such/interpreter\n")
    assert 127 == refusal(box, "./it")[0]


def test_a_folder_is_entered_first(box, workdir):
    """Relative to the working directory, wherever the command before was."""
    (workdir / "inner").mkdir(mode=0o755)
    os.chmod(workdir / "inner", 0o755)
    for folder, expected in (("inner", workdir / "inner"), ("/usr", "/usr"), ("inner/..", workdir), (".", workdir)):
        assert f"{expected}\n" == box.run(["pwd"], cwd=folder).stdout
    assert f"{workdir}\n" == box.run(["pwd"]).stdout


@pytest.mark.parametrize("folder", ["/no/such/folder", "/etc/passwd", "\ud800"])
def test_a_folder_that_cannot_be_entered_is_the_reason(box, workdir, folder):
    """Not the program, which is there; the next command is where it should be."""
    code, name, message = refusal(box, "true", cwd=folder)
    assert (126, "command.workdir") == (code, name)
    assert "cannot be started in" in message
    assert f"{workdir}\n" == box.run(["pwd"]).stdout


def test_variables_are_laid_over_the_sandboxes_own(options):
    """For one command, and its search path too; nothing else of the caller's is there."""
    with Sandbox(env={"A": "box", "B": "box"}, **options) as box:
        told = box.run(["/usr/bin/env"], env={"A": "command", "EMPTY": "", "ODD": "\udcff"}).stdout_bytes.split(b"\n")
        assert {b"A=command", b"B=box", b"EMPTY=", b"ODD=\xff"} <= set(told)
        assert "box box\n" == box.run(sh("echo $A $B")).stdout
        assert set(box.run(["/usr/bin/env"]).stdout.split("\n")) - {""} == {
            line.decode() for line in told if line and not line.startswith((b"A=", b"EMPTY=", b"ODD="))
        } | {"A=box"}


def test_it_has_nothing_of_ours(box):
    """No descriptor but three, a session and group of its own, every signal as usual and none blocked, umask 022."""
    assert {"0", "1", "2", "3"} == set(box.run(["/bin/ls", "/proc/self/fd"]).stdout.split())  # 3 lists the folder
    name, _, rest = box.run(["/bin/cat", "/proc/self/stat"]).stdout.rpartition(")")
    fields = rest.split()
    assert [name.split()[0]] * 2 == fields[2:4]  # it leads both
    assert "0" == fields[4]  # of no terminal
    status = dict(line.split(":\t", 1) for line in box.run(["/bin/cat", "/proc/self/status"]).stdout.splitlines())
    assert 0 == int(status["SigBlk"], 16)
    ignored = {number for number in range(1, 65) if int(status["SigIgn"], 16) >> number - 1 & 1}
    assert ignored <= GLIBC
    assert "0022\n" == box.run(sh("umask")).stdout


def test_the_first_process_has_nothing_of_ours(options):
    """Its streams lead nowhere; besides it has what its keeper speaks to it with, and no other descriptor."""
    with Sandbox(**options) as box:
        try:
            found = {int(fd): os.readlink(f"/proc/{box.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{box.pid}/fd")}
        except PermissionError:
            pytest.skip("needs: a look at another process's descriptors")
        assert {0, 1, 2, steps.CONTROL} == set(found)
        assert {"/dev/null"} == {found[fd] for fd in (0, 1, 2)}
        assert found[steps.CONTROL].startswith("socket:")


def test_it_has_its_owners_limits(options):
    """Those of now, not those of the time when the zygote was started; only core files are never made."""
    kinds = {"-n": resource.RLIMIT_NOFILE, "-f": resource.RLIMIT_FSIZE, "-s": resource.RLIMIT_STACK}
    before = {kind: resource.getrlimit(kind) for kind in kinds.values()}
    with Sandbox(**options) as box:
        assert f"{before[resource.RLIMIT_NOFILE][0]}\n" == box.run(sh("ulimit -n")).stdout
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (345, before[resource.RLIMIT_NOFILE][1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[resource.RLIMIT_FSIZE][1]))
        with Sandbox(**options) as box:
            assert ["345", "2048", "0"] == box.run(sh("ulimit -n; ulimit -f; ulimit -c")).stdout.split()
    finally:
        for kind, limit in before.items():
            resource.setrlimit(kind, limit)
    with Sandbox(**options) as box:
        assert f"{before[resource.RLIMIT_NOFILE][0]}\n" == box.run(sh("ulimit -n")).stdout


def test_more_arguments_than_the_kernel_takes(box):
    """Two MiB of them: E2BIG, told as such; what fits goes through whole."""
    code, _, message = refusal(box, "/bin/true", *["x" * 100_000] * 21)
    assert (126, True) == (code, "Argument list too long" in message)
    code, _, message = refusal(box, "/bin/true", env={f"V{number}": "x" * 100_000 for number in range(21)})
    assert "Argument list too long" in message
    words = box.run(["/bin/sh", "-c", "for word; do echo ${#word}; done", "sh", *["x" * 100_000] * 10]).stdout.split()
    assert ["100000"] * 10 == words
