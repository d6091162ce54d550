"""Marked tests run in sandboxes; pytest says of them what it would have said, and shows what the policy denies."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

SECONDS = 120

CONFTEST = """
    import os, pytest

    def pytest_addoption(parser):
        parser.addoption("--word")

    @pytest.fixture
    def word(request):
        return request.config.getoption("--word")

    @pytest.fixture(scope="module")
    def before():
        yield os.getpid()
        print("module fixture ended")

    @pytest.fixture
    def broken():
        raise RuntimeError("in setup")

    @pytest.fixture
    def breaking():
        yield
        raise RuntimeError("in teardown")
"""
TESTS = """
    import os, socket, time, unittest, warnings
    import pytest

    sandboxed = pytest.mark.sandboxed

    def test_outside(before):
        assert os.path.exists(OUTSIDE)

    @sandboxed
    def test_inside(before):
        assert not os.path.exists(OUTSIDE)

    @sandboxed
    def test_fails():
        print("to stdout")
        assert {"a": 1} == {"a": 2}, "unequal"

    @sandboxed
    def test_reads():
        open("/etc/shadow").read()

    @sandboxed
    def test_writes(request):
        open(request.path.parent / "new", "w")

    @sandboxed
    def test_connects():
        with pytest.raises(OSError):
            socket.create_connection(("192.0.2.1", 80), timeout=5)

    @sandboxed
    @pytest.mark.skipif(True, reason="by mark")
    def test_skipped():
        raise AssertionError

    @sandboxed
    def test_skips():
        pytest.skip("in the test")

    @sandboxed
    @pytest.mark.xfail(reason="known")
    def test_expected():
        raise AssertionError

    @sandboxed
    @pytest.mark.xfail(reason="mended", strict=True)
    def test_unexpected():
        pass

    @sandboxed
    @pytest.mark.parametrize("value", ["a/b::c", "[x]", "é", "with blanks "])
    def test_parameters(value, tmp_path):
        (tmp_path / "file").write_text(value)

    @sandboxed
    def test_broken(broken):
        pass

    @sandboxed
    def test_breaking(breaking):
        pass

    @sandboxed
    def test_ends():
        os._exit(3)

    @sandboxed(timeout=3)
    def test_sleeps():
        time.sleep(60)

    @sandboxed
    def test_option(word):
        assert word == "given"

    @sandboxed
    def test_warns():
        warnings.warn("a warning")

    @sandboxed(policy={"version": 1, "filesystem_policy": {"read_only": READABLE, "read_write": [WRITABLE]}})
    def test_policy():
        with open(WRITABLE + "/made", "w") as file:
            file.write("inside")

    class TestCase(unittest.TestCase):
        @sandboxed
        def test_method(self):
            self.assertEqual(1, 2)

    def test_outside_again(before):
        assert before == os.getpid()
"""
EXPECTED = {
    "test_outside": "passed",
    "test_inside": "passed",
    "test_fails": "failed: AssertionError: unequal",
    "test_reads": "failed: PermissionError: [Errno 13] Permission denied: '/etc/shadow'",
    "test_writes": "failed: ",
    "test_connects": "passed",
    "test_skipped": "skipped: by mark",
    "test_skips": "skipped: in the test",
    "test_expected": "skipped: known",
    "test_unexpected": "failed: [XPASS(strict)] mended",
    "test_parameters[a/b::c]": "passed",
    "test_parameters[[x]]": "passed",
    "test_parameters[\\xe9]": "passed",
    "test_parameters[with blanks ]": "passed",
    "test_broken": 'error: failed on setup with "RuntimeError: in setup"',
    "test_breaking": 'error: failed on teardown with "RuntimeError: in teardown"',
    "test_ends": "failed: the program in the sandbox ended with exit status 3",
    "test_sleeps": "failed: the test took longer than 3 s and was killed",
    "test_option": "passed",
    "test_warns": "failed: UserWarning: a warning",
    "test_policy": "passed",
    "test_method": "failed: AssertionError: 1 != 2",
    "test_outside_again": "passed",
}


def outcomes(report):
    """Each test's name, and what became of it, from a JUnit report."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        said = [f"{one.tag.replace('failure', 'failed')}: {one.get('message')}" for one in case if one.get("message")]
        found[case.get("name")] = " ".join(said) or "passed"
    return found


class Project:
    """A folder with tests, of which pytest is run."""

    def __init__(self, folder):
        self.folder = folder
        self.writable = folder / "writable"
        self.outside = folder / "outside"

    def write(self, tests, conftest=CONFTEST):
        names = {"OUTSIDE": str(self.outside), "WRITABLE": str(self.writable), "READABLE": [str(self.folder)]}
        head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        (self.folder / "tests").mkdir()
        (self.folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
        (self.folder / "conftest.py").write_text(textwrap.dedent(conftest))
        (self.folder / "tests" / "test_it.py").write_text(head + textwrap.dedent(tests))

    def run(self, *arguments):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if "site-packages" not in entry),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        plugin = ["-p", "pyopenshell.integrations.pytest_plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", *plugin, f"--junitxml={self.folder}/report.xml", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture
def project(open_folder):
    """An empty project, and a file beside it that no policy grants."""
    return Project(open_folder)


@pytest.fixture(scope="module")
def done():
    """What a run of every kind of test gave: the outcomes, and all that was printed."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-test."))
    os.chmod(folder, 0o755)
    project = Project(folder / "project")
    project.folder.mkdir()
    project.outside = folder / "outside"
    project.outside.touch()
    project.writable.mkdir()
    project.writable.chmod(0o777)
    project.write(TESTS)
    said = project.run("--word=given")
    yield outcomes(project.folder / "report.xml"), said.stdout, [one.read_text() for one in project.writable.iterdir()]
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", EXPECTED)
def test_outcomes(done, name):
    """Each kind of test ends as it would without a sandbox, but for what the policy denies."""
    assert name in done[0]
    found = done[0][name].split("\n")[0]
    assert found.startswith(EXPECTED[name])
    assert (EXPECTED[name] == "passed") == (found == "passed")


def test_nothing_else_was_run(done):
    """Every test was reported once."""
    assert {*EXPECTED} == {*done[0]}


def test_failures_are_shown_whole(done):
    """Source, message, comparison and captured output are as pytest shows them."""
    shown = done[1].partition("___ test_fails ___")[2].partition("___ test_reads ___")[0]
    for part in (
        '>       assert {"a": 1} == {"a": 2}, "unequal"',
        "E       AssertionError: unequal",
        "Differing items:",
        "Captured stdout call",
        "to stdout",
        "the default for tests",
    ):
        assert part in shown


def test_denials_are_explained(done):
    """Under the failure of a test that was denied something stands why, and what would allow it."""
    shown = done[1].partition("___ test_writes ___")[2].partition("___ test_")[0]
    assert "It takes make_reg" in shown
    assert "read_write" in shown


def test_a_policy_of_its_own(done):
    """A test with a policy that grants a folder writes there."""
    assert ["inside"] == done[2]


HOSTILE = """
import gc, json, pytest, time

SENT = {"when": "call", "outcome": "passed", "duration": 1, "sections": [], "properties": []}
FRAMES = [
    json.dumps({"report": {**SENT, "duration": 10**400}}),
    json.dumps({"report": {**SENT, "duration": 10**4299}}).replace("0000", "0" * 8),
    json.dumps({"report": {**SENT, "outcome": "skipped"}}),
    json.dumps({"report": {**SENT, "outcome": "skipped", "skip": ["x.py", 10**4200, "no"]}}),
    json.dumps({"report": {**SENT, "outcome": "failed"}}),
    json.dumps({"warning": ["text", "file", 10**400]}),
    json.dumps({"report": {"when": {}}}),
    "[" * 100_000,
    "\xff",
]

@pytest.mark.sandboxed
@pytest.mark.parametrize("at", range(len(FRAMES)))
def test_hostile(at):
    (inside,) = [one for one in gc.get_objects() if type(one).__name__ == "Inside"]
    inside.send = lambda value: None  # nothing more
    data = FRAMES[at].encode("latin-1")
    __import__("os").write(inside.answers, len(data).to_bytes(8, "little") + data)
    time.sleep(60)

@pytest.mark.sandboxed
def test_flood():
    (inside,) = [one for one in gc.get_objects() if type(one).__name__ == "Inside"]
    while True:
        inside.send({"trouble": "x" * (1 << 20)})

def test_honest():
    pass
"""


def test_a_hostile_test_fails_alone(project):
    """Whatever a test sends in place of a report, that test fails and says why; the others are run and reported."""
    project.write(HOSTILE)
    said = project.run("-ra")
    assert (1, "") == (said.returncode, said.stderr)
    assert "INTERNALERROR" not in said.stdout
    assert "10 failed, 1 passed" in said.stdout
    found = outcomes(project.folder / "report.xml")
    assert "passed" == found.pop("test_honest")
    assert {"failed: "} == {text[:8] for text in found.values()}
    assert all("what the sandbox reported is not taken: " in text for text in found.values())
    assert "more than 67,108,864 bytes" in found["test_flood"]


def test_without_settings(project):
    """A project that has no file of settings runs as well, and what lies above it is not looked at."""
    project.write("import pytest\n@pytest.mark.sandboxed\ndef test_it(): pass\n")
    (project.folder / "pytest.ini").unlink()
    assert "1 passed" in project.run().stdout


def test_fixtures_outside_end_with_their_last_test(project):
    """A module's fixture of tests that are not marked ends after the marked one that comes last, and may fail then."""
    project.write(
        "import pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def ending():\n"
        "    yield\n"
        "    raise RuntimeError('at the end')\n"
        "def test_outside(ending): pass\n"
        "@pytest.mark.sandboxed\n"
        "def test_inside(): pass\n"
    )
    (project.folder / "tests" / "test_that_follows.py").write_text("def test_next(): pass\n")
    said = project.run("-v").stdout
    assert "3 passed, 1 error" in said
    assert said.index("test_inside ERROR") < said.index("test_next PASSED")


def test_beside_xdist(project):
    """In pytest-xdist's workers, and with their reports, it is the same."""
    project.write("import pytest\npytestmark = pytest.mark.sandboxed\ndef test_a(): pass\ndef test_b(): assert 0\n")
    said = project.run("-p", "xdist", "-n", "2")
    assert "1 failed, 1 passed" in said.stdout
    assert {"test_a": "passed", "test_b": "failed: assert 0"} == outcomes(project.folder / "report.xml")


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")])
def test_warnings_are_counted(project, options):
    """What a test warns of is in the summary, with its place, as of any test; nothing is read from that place here."""
    project.write(
        "import pytest, warnings\npytestmark = pytest.mark.sandboxed\n"
        "def test_one(): warnings.warn_explicit('be\\x1bware', DeprecationWarning, '/dev/zero', 7)\n"
    )
    (project.folder / "pytest.ini").write_text("[pytest]\n")
    said = project.run(*options).stdout
    assert "1 passed, 1 warning" in said
    assert "/dev/zero:7: UserWarning: DeprecationWarning: be\\x1bware" in said


def test_options_of_the_whole_run_stay_outside(project):
    """``-k``, ``--maxfail``, ``--tb`` and ``-s`` do what they do, once."""
    project.write(
        "import pytest\npytestmark = pytest.mark.sandboxed\n"
        "def test_one(): print('said by it'); assert 0\ndef test_two(): assert 0\ndef test_other(): assert 0\n"
    )
    said = project.run("-k", "one or two", "-x", "--tb=line", "-s")
    assert "1 failed, 1 deselected" in said.stdout
    assert "said by it" in said.stdout
    assert f"{project.folder}/tests/test_it.py:6: assert 0" in said.stdout


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ("gpus=1", "sandboxed() does not know gpus"),
        ("'missing.yaml'", "missing.yaml: cannot read the policy"),
        ("'bad.yaml'", "bad.yaml:1:10: version: expected 1, found 7"),
        ("'a', policy='b'", "sandboxed() takes one policy"),
        ("3", "a policy cannot be 3"),
    ],
)
def test_marks_that_cannot_be_understood(project, mark, says):
    """The run ends before any test, and says which test's mark is meant and what is wrong with it."""
    (project.folder / "bad.yaml").write_text("version: 7\n")
    project.write(f"import pytest\n@pytest.mark.sandboxed({mark})\ndef test_it(): pass\n")
    said = project.run()
    assert (4, "") == (said.returncode, said.stdout.partition("FAILED")[2])
    assert f"tests/test_it.py::test_it: {project.folder}/{says}" in said.stderr or f"test_it: {says}" in said.stderr


def test_what_cannot_be_run_inside_fails_with_the_reason(project):
    """A policy under which the test cannot even be found is a failure that shows what pytest said."""
    project.write("import pytest\n@pytest.mark.sandboxed({'version': 1})\ndef test_it(): pass\n")
    said = project.run()
    assert "ended before the test did" in said.stdout
    assert "Output of pytest in the sandbox" in said.stdout
    assert 1 == said.returncode


def test_without_the_mark_nothing_is_imported(project):
    """Whoever has the plugin and does not use it pays for one small module."""
    project.write(
        "import sys\n"
        "OWN = {'pyopenshell.integrations', 'pyopenshell.integrations.pytest_plugin'}\n"
        "def test_it(): assert OWN >= {name for name in sys.modules if name.startswith('pyopenshell.')}\n"
    )
    assert 0 == project.run().returncode
