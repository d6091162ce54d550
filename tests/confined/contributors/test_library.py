"""Contributors of sandboxes that a Python program keeps: what plans those asks them, for each sandbox anew."""

import json
import subprocess

from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock

PROGRAM = """
import json, sys
from pathlib import Path
from pyopenshell import OpenShellError, Policy, Sandbox

policy, setting = Policy.load(sys.argv[1]), Path(sys.argv[2])
for text in ("first", "second", ""):
    setting.write_text(text)
    try:
        with Sandbox(policy) as box:
            told = [box.run(["true"]).exit, *(grant.reason for grant in box.effective.runtime_additions)]
            told += [f"{one.distribution} {one.version}" for one in box.effective.contributors]
    except OpenShellError as error:
        told = [type(error).__name__, error.code, error.message, error.line]
    print(json.dumps(told))
"""


def test_each_sandbox_asks(anyones):
    """What a contributor says is not kept, and its errors are those of a run."""
    setting = anyones.folder / "setting"
    anyones.offer(
        f"""
        def it(request):
            text = open({str(setting)!r}).read()
            if not text:
                raise Refusal("nothing is set")
            return [Grant("/opt", "read_only", text)]
        """,
        "it",
    )
    command = [anyones.python, "-I", "-c", PROGRAM, anyones.policy("it"), setting]
    done = subprocess.run([*map(str, command)], **anyones.options, timeout=60, check=False)
    first, second, refused = map(json.loads, done.stdout.splitlines())
    assert [0, "first", "a-distribution 1.0"] == first, done.stderr
    assert [0, "second", "a-distribution 1.0"] == second
    message = "contributor it (a-distribution 1.0) refuses: nothing is set"
    assert ["ContributorError", "contributor.refused", message, 2] == refused
