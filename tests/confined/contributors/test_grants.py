"""What a contributor asks for is enforced, and shown in every place where an operator looks."""

import json
import subprocess

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world

pytestmark = needs_landlock

TWO = """
    def cache(request: Request) -> list[Grant]:
        print("this is no answer", {"grants": []})
        return [
            Grant("PLACE/models", "read_only", "The models."),
            Grant("PLACE/cache", "read_write", "What was compiled."),
            Grant("PLACE/absent", "read_write", "Not made yet."),
        ]
"""
TRY = "cat models/one; echo new >cache/new && cat cache/new; echo no >models/new; touch absent; true"


@pytest.fixture
def places(open_folder):
    """A folder with models to read and a cache to write, as far as file modes go both to be written."""
    for name in ("models", "cache"):
        (open_folder / name).mkdir()
        (open_folder / name).chmod(0o777)
    (open_folder / "models" / "one").write_text("a model\n")
    return open_folder


@pytest.fixture
def cached(anyones, places):
    """An environment whose contributor ``cache`` asks for those."""
    anyones.offer(TWO.replace("PLACE", str(places)), "cache", distribution="cache-dist", version="1.2")
    return anyones


def tried(cached, places, *names, **paths):
    """What a shell in a sandbox manages to do there."""
    return cached.run(*names, command=("sh", "-c", f"cd {places} && {TRY}"), **paths)


def test_the_grants_are_enforced(cached, places):
    """What is asked for is granted to the letter: the models are read, the cache is written, nothing else."""
    done = tried(cached, places, "cache")
    assert "a model\nnew\n" == done.stdout, done.stderr
    assert not (places / "models" / "new").exists()
    assert not (places / "absent").exists()
    assert ["enforced", "enforced", "skipped"] == [one["status"] for one in cached.effective()["runtime_additions"]]


def test_nobody_is_asked_who_is_not_named(cached, places):
    """That something is installed grants nothing."""
    assert "" == tried(cached, places).stdout
    assert ([], False) == (cached.effective()["runtime_additions"], "contributors" in cached.effective())


def test_what_is_not_named_is_not_even_imported(installed):
    """Its distribution may be broken."""
    installed.offer("raise SystemExit('imported')", "broken")
    assert 0 == installed.run().returncode


def test_where_it_is_shown(cached, places):
    """In the effective policy, the events and the answers of every verb, with its origin, reason and distribution."""
    tried(cached, places, "cache")
    cache = f"contributor/cache:{places}/cache"
    shape = cached.effective()
    who = {"name": "cache", "distribution": "cache-dist", "version": "1.2", "entry_point": "cache_dist:cache"}
    policy = str(cached.folder / "policy.yaml")
    assert [{**who, "file": policy, "line": 2}] == shape["contributors"]
    (grant,) = [one for one in shape["runtime_additions"] if one["id"] == cache]
    assert {"kind": "contributor", "name": "cache", "file": policy, "line": 2} == grant["origin"]
    assert "What was compiled." == grant["reason"]
    assert grant in shape["grants"]
    assert {"include_workdir": True} == shape["declared"]["filesystem_policy"]

    events = [json.loads(line) for line in cached.openshell("logs", "it", "-o", "json").stdout.splitlines()]
    (event,) = [one for one in events if one["unmapped"].get("grant", {}) == grant]
    assert ("grant.runtime-addition", "Low") == (event["metadata"]["event_code"], event["severity"])
    assert {**who, "file": policy, "line": 2} == event["unmapped"]["contributor"]

    for words in (
        ("policy", "get", "it", "--full"),
        ("sandbox", "inspect", "it"),
        ("run", "--explain", "--policy", policy, "--", "true"),
    ):
        printed = cached.openshell(*words).stdout
        assert "contributor/cache" in printed, words
        assert "cache-dist" in printed, words
    why = cached.openshell("why", "--policy", policy, f"{places}/cache/new", "--write")
    assert (0, True) == (why.returncode, "(contributor/cache) gives" in why.stdout)


def test_what_has_become_looser_is_told(cached, places):
    """Two runs are compared: what a contributor added, and who it is."""
    assert 0 == cached.openshell("run", "--name", "without", "--policy", cached.policy(), "--", "true").returncode
    tried(cached, places, "cache")
    told = json.loads(cached.openshell("policy", "diff", "without", "it", "-o", "json").stdout)["differences"]
    found = {(one["kind"], one["subject"]): one["direction"] for one in told}
    assert "looser" == found["grant", f"{places}/cache"]
    assert "other" == found["contributor", "cache"]


def test_never_against_what_is_declared_read_only(cached, places):
    """Neither the folder itself nor one in it becomes writable; it is said before the command starts."""
    for declared in (places / "cache", places):
        done = tried(cached, places, "cache", read_only=[declared])
        assert "a model\n" == done.stdout
        assert not (places / "cache" / "new").exists()
        assert f"openshell: medium: contributor/cache may not write to {places}/cache: " in done.stderr
        assert f"{declared} (read_only, " in done.stderr
        (dropped,) = [one for one in cached.effective()["runtime_additions"] if one["path"] == f"{places}/cache"]
        assert ("skipped", []) == (dropped["status"], dropped["actual"])


def test_the_request(anyones):
    """It holds what is known of the sandbox, and nothing that is secret."""
    anyones.offer(
        """
        def echo(request):
            who, told = request.identity, {}
            told["ids"] = [who.uid, who.gid, list(who.groups)] == [os.getuid(), os.getgid(), sorted(os.getgroups())]
            told["rest"] = [request.name, request.command, request.workdir, request.gpu, request.devices]
            told["machine"] = request.architecture == os.uname().machine
            told["policy"] = request.policy["runtime"]
            told["home"] = who.home == os.environ["HOME"]
            yield Grant("/opt", "read_only", json.dumps(told))
        """,
        "echo",
    )
    done = anyones.run("echo", command=("sh", "-c", "exit 3"))
    assert 3 == done.returncode, done.stderr
    (grant,) = anyones.effective()["runtime_additions"]
    told = json.loads(grant["reason"])
    assert [True] * 3 == [told["ids"], told["machine"], told["home"]]
    assert ["echo", ["sh", "-c", "exit 3"], str(anyones.workdir), None, []] == told["rest"]
    assert {"contributors": ["echo"]} == told["policy"]


def test_several_are_asked_at_once(installed):
    """Each for itself; the grants come in the policy's order."""
    names = [f"c{number}" for number in range(16)]
    installed.offer(
        "def it(request):\n    return [Grant('/opt', 'read_only', request.name)]", *(f"{n}=it" for n in names)
    )
    assert 0 == installed.run(*reversed(names)).returncode
    assert names[::-1] == [one["reason"] for one in installed.effective()["runtime_additions"]]


def test_a_gpu_is_told(installed):
    """Asked for as the runtime without a device, which every host has."""
    installed.offer("def it(request):\n    return [Grant('/opt', 'read_only', repr(request.gpu))]", "it")
    done = installed.openshell(
        "run", "--explain", "--gpu", "0", "-o", "json", "--policy", installed.policy("it"), "--", "true"
    )
    additions = json.loads(done.stdout)["effective"]["runtime_additions"]
    assert ["0"] == [one["reason"] for one in additions if one["origin"]["kind"] == "contributor"]


def test_validate_says_what_is_installed(installed):
    """Without asking it; what is missing is no mistake of the file."""
    installed.offer("raise SystemExit", "known", distribution="known-dist", version="3")
    done = installed.openshell("policy", "validate", installed.policy("known", "unknown"), "-o", "json")
    known, unknown = json.loads(done.stdout)["contributors"]
    assert (0, "known-dist", "3", None) == (done.returncode, known["distribution"], known["version"], known["problem"])
    assert (3, None, True) == (unknown["line"], unknown["distribution"], "not installed" in unknown["problem"])
    printed = installed.openshell("policy", "validate", installed.folder / "policy.yaml").stdout
    assert "policy.yaml:2: contributor known is known-dist 3 (known_dist:known)\n" in printed
    assert "policy.yaml:3: contributor unknown is not installed" in printed


def test_a_declared_read_only_folder_under_another_name(installed, places):
    """Mounted a second time, whole, in part, or with what is around it, it is not written there either."""
    world.needs_root()
    kept = places / "kept"
    (kept / "part").mkdir(parents=True)
    for name in ("whole", "piece", "around"):
        (places / name).mkdir()
    installed.offer(
        f"""
        def it(request):
            return [Grant(f"{places}/{{name}}", "read_write", "A cache.") for name in ("whole", "piece", "around")]
        """,
        "it",
    )
    binds = f"mount --bind {kept} {places}/whole && mount --bind {kept}/part {places}/piece"
    around = f"mount --bind {places.parent} {places}/around"
    policy = installed.policy("it", read_only=[kept])
    command = installed.command("run", "--name", "it", "--policy", policy, "--", "true")
    script = f'{binds} && {around} && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *command], check=False, **installed.options)
    assert 0 == done.returncode, done.stderr
    codes = {one["grant"].rpartition("/")[2]: one["code"] for one in installed.effective()["findings"] if one["grant"]}
    assert {
        "whole": "contributor.read-only",
        "piece": "contributor.in-read-only",
        "around": "contributor.around-read-only",
    } == {name: codes.get(name) for name in ("whole", "piece", "around")}
    assert ["skipped"] * 3 == [one["status"] for one in installed.effective()["runtime_additions"]]
