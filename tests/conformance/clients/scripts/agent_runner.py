"""openshell-agent-runner: its command, from making a profile to the published result of a task."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from telling import GIVEN, check, tell

FOLDER = Path(GIVEN["folder"])
PROFILES = FOLDER / "profiles"
OAR = (sys.executable, "-m", "openshell_agent_runner.cli")
AGENT = """#!/bin/sh
# In place of the agent of the client's image: it answers from its prompt, its input and its arguments.
echo "prompt: $(cat)"
echo "input: $(cat "$REPOSITORY_ROOT/given.txt")"
echo "user: $(id -u)"
touch "$REPOSITORY_ROOT/touched" && echo "workspace: writable"
touch /opt/oar/touched 2>/dev/null || echo "image: read-only"
case " $* " in *" --model some/model "*) echo "model: some/model" ;; esac
"""


def oar(*arguments):
    """Run the client's command; return its exit status and what it said."""
    done = subprocess.run([*OAR, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def left():
    """Return the names of the sandboxes that there are."""
    done = subprocess.run(["openshell", "sandbox", "list", "-o", "json"], capture_output=True, text=True, check=True)
    return [one["name"] for one in json.loads(done.stdout)]


def own_profile():
    """Write a profile as a user would: a packaged one's policy, a prompt, and the agent uploaded into the workspace."""
    profile = FOLDER / "own"
    shutil.copytree(PROFILES / "code-reviewer", profile)
    (FOLDER / "pi").write_text(AGENT)
    (FOLDER / "pi").chmod(0o755)
    (profile / "prompt.md").write_text("Look at {{oar.input_name}}.\n")
    task = {"required_input": "repository", "prompt": "prompt.md", "tools": []}
    programs = {"upload": [f"{FOLDER}/pi:/workspace/bin/pi"], "env": ["PATH=/workspace/bin:/usr/bin:/bin"]}
    told = {"id": "own", "description": "A test.", "sandbox": {"policy": "policy.yaml", **programs}}
    (profile / "profile.yaml").write_text(json.dumps({**told, "tasks": {"look": task}}))
    repository = FOLDER / "repository"
    repository.mkdir()
    (repository / "given.txt").write_text("from the repository\n")
    return profile, repository


@check
def initialized():
    made = oar("init", PROFILES, "--model", "some/model")
    valid = [oar("validate", PROFILES / name)[0] for name in ("code-reviewer", "technical-writing-reviewer")]
    return [made[0], valid]


@check
def doctor():
    code, out, err = oar("doctor")
    return [code, bool(out), err]


@check
def task():
    """Create, upload, exec, download, verify, delete: the whole life of a task under the packaged policy."""
    profile, repository = own_profile()
    code, out, err = oar("run", profile, "--task", "look", "--input", repository, "--output", FOLDER / "result")
    assert code == 0, out + err
    return [(FOLDER / "result").read_text().splitlines(), left()]


@check
def task_that_fails():
    """An agent's failure is the client's, and its sandbox is deleted all the same."""
    (FOLDER / "pi").write_text("#!/bin/sh\nexit 9\n")
    command = ("run", FOLDER / "own", "--task", "look", "--input", FOLDER / "repository")
    code, _, err = oar(*command, "--output", FOLDER / "none")
    return [code, "exit status 9" in err, (FOLDER / "none").exists(), left()]


@check
def kept():
    """A sandbox that was kept can be looked into."""
    (FOLDER / "pi").write_text("#!/bin/sh\necho done\n")
    command = ("run", FOLDER / "own", "--task", "look", "--input", FOLDER / "repository", "--keep-sandbox")
    code, _, err = oar(*command, "--output", FOLDER / "second")
    (name,) = left()
    say = ["openshell", "sandbox", "exec", "-n", name, "--", "cat", "/sandbox/artifacts/result"]
    said = subprocess.run(say, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    subprocess.run(["openshell", "sandbox", "delete", name], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return [code, name in err, said.stdout, left()]


if __name__ == "__main__":
    tell()
