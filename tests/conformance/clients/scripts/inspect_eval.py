"""inspect-openshell-sandbox: an evaluation of Inspect, with a scripted solver, each sample in a sandbox of its own."""

import json
import logging
import sys
import time
from pathlib import Path

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.solver import solver
from inspect_ai.util import sandbox
from telling import GIVEN

BINARY = bytes(range(256)) * 4096
TOLD = {}


async def failure(awaited):
    """Await what must fail, and return the name of its exception."""
    try:
        answer = await awaited
    except Exception as error:
        return type(error).__name__
    return f"it did not fail but returned {answer!r}"


async def _streams(box):
    done = await box.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
    return [done.success, done.returncode, done.stdout, done.stderr]


async def _input(box):
    done = await box.exec(["cat"], input="given\n", env={"UNUSED": "1"})
    return [done.returncode, done.stdout]


async def _environment(box):
    done = await box.exec(["sh", "-c", "echo $GREETING; echo ${OPENSHELL_SANDBOX-unset}"], env={"GREETING": "hello"})
    return done.stdout


async def _folders(box):
    made = await box.exec(["mkdir", "-p", "below"])
    done = await box.exec(["pwd"], cwd="below")
    return [made.returncode, done.stdout.removeprefix(GIVEN["workdir"])]


async def _sample_file(box):
    return await box.read_file("given.txt")


async def _binary(box):
    await box.write_file("deep/er/file.bin", BINARY)
    return await box.read_file("deep/er/file.bin", text=False) == BINARY


async def _missing(box):
    return await failure(box.read_file("nothing-here"))


async def _folder(box):
    return await failure(box.read_file("deep"))


async def _denied(box):
    """Where mounts are read-only, a write is refused in words that the client takes for no matter of permission."""
    written = await failure(box.write_file("/usr/no", "x"))
    return [await failure(box.read_file(GIVEN["secret"])), written in ("PermissionError", "RuntimeError")]


async def _command_unknown(box):
    done = await box.exec(["no-such-command"])
    return [done.success, done.returncode]


async def _timeout(box):
    """The client kills its own command; what it had started inside must end too."""
    name = await failure(box.exec(["sh", "-c", "echo $$ > pid; exec sleep 61"], timeout=2))
    gone, end = "", time.monotonic() + 10
    while "gone" not in gone and time.monotonic() < end:
        gone = (await box.exec(["sh", "-c", "kill -0 $(cat pid) 2>/dev/null && echo alive || echo gone"])).stdout
    return [name, gone]


async def _connection(box):
    described = await box.connection()
    return [described.type, described.command.removeprefix("openshell sandbox exec -n ").split(" ", 1)[1]]


CHECKS = (
    *(_streams, _input, _environment, _folders, _sample_file, _binary),
    *(_missing, _folder, _denied, _command_unknown, _timeout, _connection),
)


@solver
def scripted():
    """Return the solver: it tries each of the checks."""

    async def solve(state, generate):
        box = sandbox()
        for one in CHECKS:
            name = one.__name__.strip("_")
            try:
                TOLD[name] = {"value": await one(box), "error": None}
            except Exception as error:
                TOLD[name] = {"value": None, "error": repr(error)}
        state.completed = True
        return state

    return solve


def main():
    logging.disable(logging.WARNING)
    folder = Path(GIVEN["folder"])
    config = folder / "openshell.yaml"
    config.write_text(json.dumps({"policy": str(folder / "policy.yaml"), "workdir": GIVEN["workdir"]}))
    task = Task(
        dataset=[Sample(input="go", files={"given.txt": "from the sample\n"})],
        solver=scripted(),
        sandbox=("openshell", str(config)),
    )
    (log,) = evaluate(task, model="mockllm/model", display="none", log_dir=str(folder / "logs"), log_samples=False)
    TOLD["evaluation"] = {"value": log.status, "error": log.error and log.error.traceback}
    print(json.dumps(TOLD))
    return 0


if __name__ == "__main__":
    sys.exit(main())
