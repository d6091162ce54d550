"""Which file a command is, for whom: real files, real modes, as root through a child with another uid."""

import errno
import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest

from pyopenshell.effective.model import Identity
from pyopenshell.errors import CommandError, IdentityError
from pyopenshell.kernel import namespaces
from pyopenshell.launch.command import as_identity, locate

DAEMON = pwd.getpwnam("daemon")
WHO = (
    Identity(DAEMON.pw_uid, DAEMON.pw_gid, (), "policy")
    if os.geteuid() == 0
    else Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()), "caller")
)
"""Whom the sandbox would run as: someone else where we are root, ourselves where we are not."""


@pytest.fixture
def access():
    """What answers as this identity."""
    with as_identity(WHO) as answers:
        yield answers


@pytest.fixture
def folder():
    """A folder that everyone may enter."""
    path = Path(tempfile.mkdtemp(prefix="openshell-test."))
    path.chmod(0o755)
    yield path
    for closed in path.rglob("closed"):
        closed.chmod(0o755)
    shutil.rmtree(path)


def program(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    """Make an executable file, and its folder."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def failure(argv0: str, path: str, workdir: Path, access) -> tuple[int, str]:
    """Return the exit code and the whole text of the error."""
    with pytest.raises(CommandError) as caught:
        locate(argv0, path, str(workdir), access)
    error = caught.value
    assert {126: "command.not-executable", 127: "command.not-found"}[error.exit_code] == error.code
    return error.exit_code, f"{error.message} | {error.hint}"


def test_path_lookup_passes_over_what_the_identity_cannot_execute(folder, access):
    """Plain files, folders of that name, dangling links and closed folders do not hide the program behind them."""
    program(folder / "plain" / "tool", mode=0o644)
    (folder / "dir" / "tool").mkdir(parents=True)
    (folder / "link").mkdir()
    (folder / "link" / "tool").symlink_to("nowhere")
    program(folder / "closed" / "tool")
    program(folder / "broken" / "tool", "#!/no/such/interpreter\n")
    wanted = program(folder / "good" / "tool")
    (folder / "closed").chmod(0)
    names = ("missing", "plain", "dir", "link", "closed", "broken", "good")
    assert str(wanted) == locate("tool", ":".join(str(folder / name) for name in names), "/", access)


def test_when_all_are_refused_the_first_is_named(folder, access):
    """It is the one that the person most likely meant."""
    for name in ("first", "second"):
        program(folder / name / "tool", mode=0o644)
    assert "first/tool" in failure("tool", "first:second", folder, access)[1]


@pytest.mark.parametrize("path", ["/nowhere:", ":/nowhere", ".", "bin/.."])
def test_empty_and_relative_entries_are_the_working_directorys(folder, access, path):
    """As for a shell that was started there."""
    (folder / "bin").mkdir()
    wanted = program(folder / "tool")
    assert os.path.samefile(wanted, locate("tool", path, str(folder), access))


@pytest.mark.parametrize("argv0", ["./tool", "sub/../tool", "{folder}/tool"])
def test_with_a_slash_it_is_a_path(folder, access, argv0):
    """Relative to the working directory; PATH does not matter."""
    (folder / "sub").mkdir()
    program(folder / "tool")
    found = locate(argv0.format(folder=folder), "", str(folder), access)
    assert os.path.isabs(found)
    assert os.path.samefile(folder / "tool", found)


def test_a_program_that_is_no_script(folder, access):
    """The first bytes decide, so a binary is not searched for an interpreter."""
    assert "/bin/true" == locate("true", "/bin", "/", access)


def test_not_found_names_its_neighbours(folder, access):
    """Only those that could be executed."""
    program(folder / "bin" / "python3")
    program(folder / "bin" / "python4", mode=0o644)
    code, text = failure("pyhton3", str(folder / "bin"), folder, access)
    assert (127, "pyhton3: command not found | did you mean python3?") == (code, text)


def test_not_found_but_in_the_working_directory(folder, access):
    """The most common reason of all."""
    program(folder / "script.sh")
    assert (127, "write ./script.sh") == _ends(failure("script.sh", "/bin", folder, access))


@pytest.mark.parametrize("argv0", ["", "a\0b"])
def test_no_name_at_all(folder, access, argv0):
    """An error, not a traceback."""
    assert 127 == failure(argv0, "/bin", folder, access)[0]


@pytest.mark.parametrize("argv0", ["./toool", "./tool/x", "./" + 300 * "x", "./nowhere/tool"])
def test_a_path_that_is_not_there(folder, access, argv0):
    """127, with the nearest name of that folder."""
    program(folder / "tool")
    code, text = failure(argv0, "/bin", folder, access)
    assert 127 == code
    assert argv0 != "./toool" or text.endswith(f"did you mean {folder}/tool?")


def test_a_dangling_link_says_where_it_points(folder, access):
    """Because the link itself is plainly there."""
    (folder / "tool").symlink_to("/gone")
    code, text = failure("./tool", "/bin", folder, access)
    assert 127 == code
    assert "it is a link to /gone" in text


def test_a_closed_folder_on_the_way_is_named(folder, access):
    """With its mode and whom the sandbox runs as; a link to it is followed first."""
    (folder / "closed").mkdir()
    program(folder / "closed" / "bin" / "tool")
    (folder / "link").symlink_to("closed/bin")
    owner = os.stat(folder).st_uid
    (folder / "closed").chmod(0)
    for argv0, path in (("./link/tool", "/bin"), ("./closed/bin/tool", "/bin"), *([("tool", "link")] * (owner == 0))):
        code, text = failure(argv0, path, folder, access)
        assert 126 == code
        assert f"{folder}/closed is 0000 of uid {owner} and the sandbox runs as uid {WHO.uid}" in text


def test_a_file_without_the_right_mode_is_named(folder, access):
    """Found, but not executable: in PATH too."""
    program(folder / "bin" / "tool", mode=0o644)
    for argv0 in ("tool", "bin/tool"):
        code, text = failure(argv0, "bin", folder, access)
        assert 126 == code
        assert f"it is 0644 of uid {os.geteuid()} and the sandbox runs as uid {WHO.uid} | chmod +x " in text


@pytest.mark.parametrize(("path", "words"), [("/tmp/", "is a folder"), ("/dev/null", "is not a regular file")])
def test_what_is_no_file_is_not_executable(folder, access, path, words):
    """126, as in a shell."""
    code, text = failure(path, "", folder, access)
    assert (126, True) == (code, words in text)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("#!/no/such/sh -e", 127, "is a script for '/no/such/sh': cannot execute /no/such/sh: No such file"),
        ("#! \t/no/such/sh\t-e", 127, "'/no/such/sh'"),
        ("#!/bin/sh\r", 127, "remove the carriage returns"),
        ("#!relative", 127, "relative: No such file"),
        ("#!/etc/passwd", 126, "/etc/passwd: Permission denied; it is 0644"),
        ("#!/bin", 126, "/bin is a folder"),
        ("#!./tool", 126, "too many times over"),
    ],
)
def test_a_script_needs_its_interpreter(folder, access, line, code, words):
    """The file is there, so what is missing must be named: the kernel would only say that something is."""
    program(folder / "tool", f"{line}\nexit 0\n")
    seen, text = failure("./tool", "", folder, access)
    assert code == seen
    assert words in text


@pytest.mark.parametrize(
    "text", ["", "echo no first line", "#!", "#! \n", "#!/bin/sh", "#!/bin/sh -e\n", "#!/bin/\0sh\n"]
)
def test_other_files_are_left_to_the_kernel(folder, access, text):
    """What is no script, or a script of a program that is there."""
    assert locate("./tool", "", str(program(folder / "tool", text).parent), access)


def test_an_unreadable_program_is_left_to_the_kernel(folder, access):
    """Modes may allow executing and not reading."""
    program(folder / "tool", mode=0o111)
    assert locate("./tool", "", str(folder), access)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")
def test_a_noexec_file_system_is_named(folder):
    """The file's mode is fine there, so the mount must be said."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            namespaces.unshare(namespaces.CLONE_NEWNS)
            namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE, None)
            namespaces.mount("tmpfs", str(folder), "tmpfs", namespaces.MS_NOEXEC, "mode=755")
            program(folder / "tool")
            with as_identity(WHO) as answers:
                os.write(write, failure("./tool", "", folder, answers)[1].encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        assert "its file system is mounted noexec" in pipe.read()
    os.waitpid(pid, 0)


# --- answers as an identity


def test_answers_are_errnos_by_mode(folder, access):
    """For reading, writing, executing; for what is missing; many at once."""
    readable = program(folder / "readable", mode=0o444 if os.geteuid() else 0o644)
    secret = program(folder / "secret", mode=0o000)
    asked = [str(readable), str(secret), "/no/such"]
    expected = {os.R_OK: (0, errno.EACCES), os.W_OK: (errno.EACCES,) * 2, os.X_OK: (errno.EACCES,) * 2}
    for mode, answers in expected.items():
        assert dict(zip(asked, (*answers, errno.ENOENT), strict=True)) == access.reachable(asked, mode)
    assert (0, 0, errno.EACCES) == (access(str(folder)), access.query("/tmp", os.W_OK), access(str(readable)))


def test_long_lists_and_odd_names(folder, access):
    """More than a pipe holds, and names that are no text."""
    odd = os.fsdecode(b"/tmp/\xff\n")
    paths = [f"/no/{'x' * 1000}/{number}" for number in range(1000)]
    assert {odd: errno.ENOENT} == access.reachable([odd], os.R_OK)
    assert {errno.EACCES, errno.ENAMETOOLONG, errno.ENOENT} >= set(access.reachable(paths, os.R_OK).values())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: asks as another identity")
def test_groups_count(folder):
    """The child has the identity's groups and none of root's."""
    secret = program(folder / "secret", mode=0o040)
    os.chown(secret, 0, 4)
    for groups, expected in (((), errno.EACCES), ((4,), 0)):
        with as_identity(WHO.replace(groups=groups)) as answers:
            assert expected == answers.query(str(secret), os.R_OK)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: asks as another identity")
def test_the_child_is_nobodys_to_trace_and_ends(folder):
    """It has root's memory, so its new uid must not read it; after the block it is gone."""
    before = set(Path("/proc/thread-self/children").read_text().split())  # this process may have a zygote
    with as_identity(WHO) as answers:
        assert 0 == answers("/")
        (child,) = set(Path("/proc/thread-self/children").read_text().split()) - before
        assert 0 == os.stat(f"/proc/{child}/environ").st_uid
    assert before == set(Path("/proc/thread-self/children").read_text().split())


@pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user: root can become anyone")
def test_an_identity_that_cannot_be_had_is_an_error():
    """Not an answer, and nothing hangs."""
    with as_identity(Identity(os.geteuid() + 1, 1, (), "policy")) as answers, pytest.raises(IdentityError):
        answers("/")


def _ends(answer: tuple[int, str]) -> tuple[int, str]:
    return answer[0], answer[1].rpartition(": ")[2]
