"""The two files of the log: private, append-only, and whole lines whatever happens."""

import json
import os
import resource
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.audit import translate
from pyopenshell.audit.log import Log, json_line
from pyopenshell.errors import StateError
from tests.conformance import make_golden as sample

EVENT = translate.lifecycle("Start", sample.CONTEXT)
FILES = ("events.jsonl", "events.log")


def in_child(action):
    """Do something in a forked process and return its exit code: 0, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def big(number):
    """Return an event longer than a page, told apart by its number."""
    return translate.launched(sample.PROCESS.replace(argv=("x" * 9000,), pid=number), sample.CONTEXT)


def lines(folder, name):
    """Return the lines of a file, which must end with a newline."""
    text = (folder / name).read_text(encoding="utf-8")
    assert text.endswith("\n")
    return text.splitlines()


def test_lines_that_are_made_already(tmp_path):
    """Are added as they are, among events; after a line without its end they begin a new one."""
    (tmp_path / FILES[0]).write_text("torn")
    log = Log(str(tmp_path))
    log.append_lines(b'{"a":1}\n{"b":2}\n', b"one\ntwo\n")
    log.append(EVENT)
    log.append_lines(b'{"c":3}\n', b"three\n")
    log.close()
    assert ["torn", '{"a":1}', '{"b":2}', json_line(EVENT), '{"c":3}'] == lines(tmp_path, FILES[0])
    assert ["one", "two", "three"] == [line for line in lines(tmp_path, FILES[1]) if " " not in line]


@pytest.mark.parametrize("by_descriptor", [False, True])
def test_append(tmp_path, by_descriptor):
    """Events are added behind those that are there, one line each, to files that only the owner may read."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(2):
        log = Log(folder if by_descriptor else str(tmp_path))
        assert not any(os.get_inheritable(fd) for fd in log._files.values())
        log.append(EVENT, EVENT)
        log.close()
    os.close(folder)
    for name in FILES:
        assert len(lines(tmp_path, name)) == 4
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert [EVENT] * 4 == [json.loads(line) for line in lines(tmp_path, FILES[0])]


def test_no_folder(tmp_path):
    """A folder that is not there is one clear error."""
    with pytest.raises(StateError, match=r"cannot write the audit log events\.jsonl: No such file"):
        Log(str(tmp_path / "missing"))


@pytest.mark.parametrize("name", FILES)
def test_a_link_is_not_followed(tmp_path, name):
    """A symbolic link in the place of a log is refused, and what it leads to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / name).symlink_to(victim)
    with pytest.raises(StateError):
        Log(str(tmp_path))
    assert victim.read_text() == "mine"


def test_writers_do_not_mix(tmp_path):
    """Four processes write lines of more than two pages at once; every line arrives whole."""

    def write(number):
        log = Log(str(tmp_path))
        for _ in range(25):
            log.append(big(number))

    children = []
    for number in range(1, 5):
        children.append(os.fork())
        if children[-1] == 0:
            try:
                write(number)
            finally:
                os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    written = [json.loads(line)["process"]["pid"] for line in lines(tmp_path, FILES[0])]
    assert sorted(written) == sorted([1, 2, 3, 4] * 25)
    assert len(lines(tmp_path, FILES[1])) == 100


def test_full_disk(tmp_path):
    """A write that does not fit is an error; once there is room, the torn line is ended and the log goes on."""

    def write():
        log = Log(str(tmp_path))
        log.append(EVENT)
        size = (tmp_path / FILES[0]).stat().st_size
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        for problem in ("the disk is full", "File too large"):
            with pytest.raises(StateError, match=problem):
                log.append(EVENT)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        log.append(EVENT)

    assert in_child(write) == 0
    first, torn, last = lines(tmp_path, FILES[0])
    assert [EVENT, EVENT] == [json.loads(first), json.loads(last)]
    assert json_line(EVENT)[:100] == torn
    assert len(lines(tmp_path, FILES[1])) == 2


def test_a_torn_line_is_ended_by_the_next_writer(tmp_path):
    """What a kill in the middle of a write left is one bad line, and spoils no other."""
    for name in FILES:
        (tmp_path / name).write_text("whole\ntor")
    log = Log(str(tmp_path))
    log.append(EVENT)
    log.append(EVENT)
    for name in FILES:
        assert lines(tmp_path, name)[:2] == ["whole", "tor"]
        assert len(lines(tmp_path, name)) == 4


def test_killed_writers(tmp_path):
    """Writers are killed while they write; whoever comes next leaves every line but theirs whole."""
    for _ in range(10):
        progress, tell = os.pipe()
        child = os.fork()
        if child == 0:
            log = Log(str(tmp_path))
            while True:
                log.append(big(1))
                os.write(tell, b".")
        os.read(progress, 1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(progress)
        os.close(tell)
    log = Log(str(tmp_path))
    log.append(EVENT)
    found = lines(tmp_path, FILES[0])
    torn = [line for line in found if not line.endswith("}")]
    assert len(torn) <= 10
    assert len([json.loads(line) for line in found if line not in torn]) >= 11
    assert EVENT == json.loads(found[-1])


@given(st.text())
def test_json_keeps_text(text):
    """Whatever the text, the line is printable, and JSON readers get exactly the text back."""
    line = json_line({"text": text})
    assert line.isprintable()
    assert {"text": text} == json.loads(line)


@pytest.mark.parametrize(
    ("text", "read"),
    [("/tmp/\udcff\udc80", r"/tmp/\xff\x80"), ("\ud800", "\ufffd"), ("\U000e0041\x9b", "\U000e0041\x9b")],
)
def test_json_is_utf8(text, read):
    """Bytes that are not UTF-8 are spelled out, so that no reader has to reject the event."""
    line = json_line({"text": text})
    assert {"text": read} == json.loads(line.encode("utf-8"))
