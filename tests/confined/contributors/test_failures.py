"""A contributor that is missing, refuses, crashes or answers nonsense: a clear error, and nothing is started."""

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world

pytestmark = needs_landlock

MANY = "return [Grant(f'/opt/{number}', 'read_only', 'One of many.') for number in range(65)]"


def test_missing(anyones):
    """The policy's line, where it was looked for, and who is near."""
    anyones.offer("def it(request): return []", "model-cache=it")
    error = anyones.refused("model-cach")
    assert ("contributor.missing", "did you mean model-cache?") == (error["code"], error["hint"])
    assert str(anyones.python) in error["message"]
    assert "installed are model-cache" in anyones.refused("weights")["hint"]


def test_names_are_exact(installed):
    """What is normalised elsewhere is not here: what is asked is what is written."""
    installed.offer("def it(request): return []", "model-cache=it", "Model.Store=it")
    for name in ("model_cache", "model.cache", "model.store"):
        assert "contributor.missing" == installed.refused(name)["code"]


def test_two_distributions_of_one_name(installed):
    """Both are named, and neither is imported."""
    for number in (1, 2):
        installed.offer("raise SystemExit", "cache", distribution=f"dist-{number}", version=f"{number}.0")
    error = installed.refused("cache")
    assert "contributor.ambiguous" == error["code"]
    assert "dist-1 1.0 (dist_1:cache)" in error["message"]
    assert "dist-2 2.0 (dist_2:cache)" in error["message"]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise Refusal('no model here')", "refused", "(a-distribution 1.0) refuses: no model here"),
        ("raise ValueError('oh')", "crashed", "crashed: ValueError: oh (SITE/a_distribution.py:4)"),
        ("{}['x']", "crashed", "crashed: KeyError: 'x' (SITE/a_distribution.py:4)"),
        ("yield Grant('/opt', 'read_only', 'It.'); raise OSError('late')", "crashed", "OSError: late"),
        ("sys.exit(0)", "crashed", "crashed: SystemExit: 0"),
        ("it(request)", "crashed", "crashed: RecursionError"),
        ("return bytearray(1 << 40)", "crashed", "crashed: MemoryError"),
        ("print('last words'); sys.stdout.flush(); os._exit(7)", "crashed", "ended without an answer: exit code 7"),
        ("os._exit(0)", "crashed", "ended without an answer: exit code 0"),
        ("os.abort()", "crashed", "ended without an answer: killed by SIGABRT"),
        ("os.close(3)", "crashed", "ended without an answer: exit code 1"),
        ("pass", "nonsense", "it returned a value of type NoneType, not grants"),
        ("return '/opt'", "nonsense", "among its grants is a value of type str, not a Grant"),
        ("return {'path': '/opt'}", "nonsense", "among its grants is a value of type str, not a Grant"),
        (
            "return [Grant(b'/opt', 'read_only', 'It.')]",
            "nonsense",
            "the path of a grant is a value of type bytes, not text",
        ),
        ("return [Grant(7, 'read_only', 'It.')]", "nonsense", "the path of a grant is a value of type int"),
        ("return [Grant('/opt', 'write', 'It.')]", "nonsense", "access is 'write', not read_only or read_write"),
        ("return [Grant('/opt', 'read_only', '')]", "nonsense", "the reason for /opt has 0 characters"),
        (MANY, "nonsense", "more than 64 grants"),
        ("while True: yield Grant('/opt', 'read_only', 'It.')", "nonsense", "more than 64 grants"),
        ("os.write(3, b'{}\\n'); return []", "nonsense", "no JSON"),
        ("os.write(3, b'x' * (1 << 22)); return []", "nonsense", "more than 1,048,576 bytes"),
        ("return [Grant('opt', 'read_only', 'It.')]", "path", "expected an absolute path, found 'opt'"),
        ("return [Grant('/opt/../etc', 'read_only', 'It.')]", "path", "'..' is not allowed"),
        ("return [Grant('/', 'read_only', 'It.')]", "path", "everything"),
    ],
)
def test_failing_when_it_is_called(installed, body, code, said):
    """The error names distribution and version where these are to blame; what it prints is told where it says more."""
    installed.offer(f"def it(request):\n    {body}\n", "it")
    error = installed.refused("it")
    assert (f"contributor.{code}", True) == (
        error["code"],
        said.replace("SITE", str(installed.site)) in error["message"],
    )
    assert "last words" not in body or "its last words: last words" in error["hint"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nowhere", "could not be imported: ModuleNotFoundError: No module named 'nowhere' (SITE/"),
        ("def it(:", "could not be imported: SyntaxError"),
        ("", "could not be imported: AttributeError"),
        ("sys.exit(3)", "could not be imported: SystemExit: 3"),
    ],
)
def test_failing_when_it_is_imported(installed, code, said):
    """Of the errors of an import the operator sees the last line, and whose it is."""
    installed.offer(code, "it")
    error = installed.refused("it")
    assert "contributor.crashed" == error["code"]
    assert f"(a-distribution 1.0) {said.replace('SITE', str(installed.site))}" in error["message"]


def test_an_entry_point_that_is_no_function(installed):
    """As a module attribute can be anything."""
    installed.offer("it = 7", "it")
    assert "a_distribution:it is a value of type int, not a function" in installed.refused("it")["message"]


def test_the_first_that_fails_is_told(installed):
    """In the policy's order, whatever is quicker; the others' grants are not enough."""
    installed.offer(
        "def good(request): return []\ndef bad(request): raise Refusal(request.name)", "good", "a=bad", "b=bad"
    )
    file = installed.policy("good", "b", "a")
    done = installed.openshell("run", "--policy", file, "--", "true")
    assert (125, f"openshell: {file}:3:1: contributor b (a-distribution 1.0) refuses: b") == (
        done.returncode,
        done.stderr.splitlines()[0],
    )


def test_noise_is_no_answer(installed):
    """Whatever it prints, on either stream, and however much: the answer has a way of its own."""
    installed.offer(
        """
        def it(request):
            for stream in (sys.stdout, sys.stderr):
                stream.write('{"schema": "pyopenshell.contributor/1", "refusal": "no"}\\n' * 10_000)
            os.system("echo and so do its children; echo even there >&3")
            return []
        """,
        "it",
    )
    done = installed.run("it")
    assert (0, "") == (done.returncode, done.stdout), done.stderr


def test_its_authors_can_see_where_it_failed(installed):
    """With OPENSHELL_DEBUG all that it printed is shown, its traceback too."""
    installed.offer("def it(request):\n    print('so far')\n    raise ValueError('oh')", "it")
    assert "so far" not in installed.run("it").stderr
    installed.environment["OPENSHELL_DEBUG"] = "1"
    shown = installed.run("it").stderr
    assert "What contributor it printed:\nso far\nTraceback (most recent call last):\n" in shown


def test_other_verbs_fail_alike(installed):
    """Whatever plans a sandbox asks, and says so."""
    policy = installed.policy("nobody")
    for words in (("why", "--policy", policy, "/etc"), ("run", "--explain", "--policy", policy, "--", "true")):
        done = installed.openshell(*words)
        assert done.returncode in (4, 125)
        assert "contributor nobody is not installed" in done.stderr


class TestAnotherIdentity:
    """As root, the contributor runs as somebody who may not go everywhere."""

    @pytest.fixture(autouse=True)
    def _as_root(self):
        world.needs_root()

    def test_that_cannot_execute_the_interpreter(self, installed):
        """An environment in a private home: who it is, what it cannot do, and what to do."""
        (installed.folder / "venv").chmod(0o700)
        error = installed.refused("it")
        assert "contributor.identity" == error["code"]
        assert f"uid {installed.workdir.stat().st_uid}, cannot execute {installed.python}" in error["message"]
        assert "run_as_user" in error["hint"]

    def test_that_cannot_see_what_is_installed(self, installed):
        """Installed with a umask of 077: not missing, but closed."""
        installed.offer("def it(request): return []", "it").chmod(0o700)
        error = installed.refused("it")
        assert ("contributor.missing", True) == (error["code"], "readable" in error["hint"])
        assert "cannot read" in error["message"]

    def test_that_cannot_read_the_module(self, installed):
        """The import fails with the system's answer."""
        installed.offer("def it(request): return []", "it")
        (installed.site / "a_distribution.py").chmod(0o600)
        assert "PermissionError" in installed.refused("it")["message"]

    def test_that_cannot_read_the_package(self, installed, package):
        """A checkout in a private home."""
        installed.offer("def it(request): return []", "it")
        (package / "pyopenshell").chmod(0o700)
        try:
            error = installed.refused("it")
        finally:
            (package / "pyopenshell").chmod(0o755)
        assert ("contributor.identity", True) == (error["code"], "openshell's own package" in error["message"])
