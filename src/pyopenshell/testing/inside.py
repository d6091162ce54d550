"""What ``run_confined`` starts in a sandbox: it reads a task from its standard input, and tells the outcome last.

It is handed over as text, to whatever ``python3`` there is: it imports nothing but the standard library.
"""

import json
import linecache
import os
import sys
import traceback
from typing import Any


def main() -> None:
    """Do the task. What it prints comes first; the token then separates the outcome."""
    task = json.loads(sys.stdin.read())
    lines = task["source"].splitlines(keepends=True)
    linecache.cache[task["file"]] = (len(task["source"]), None, lines, task["file"])  # tracebacks quote it
    outcome: dict[str, Any] = {}
    try:
        names: dict[str, Any] = {"__name__": "__sandboxed__"}
        exec(compile(task["source"], task["file"], "exec"), names)  # noqa: S102 - it is what this is for
        if task["function"]:
            outcome["value"] = names[task["function"]](*task["arguments"])
        answer = json.dumps(outcome)
    except Exception as error:  # whatever the test's function raises is its outcome
        outcome = {
            "error": traceback.format_exception_only(type(error), error)[-1].strip(),
            "errno": getattr(error, "errno", None),
            "traceback": "".join(
                traceback.format_exception(type(error), error, _own(error.__traceback__, task["file"]))
            ),
        }
        answer = json.dumps(outcome)
    sys.stdout.flush()  # noqa: TID251 - it is the sandboxed program's own
    data = (task["token"] + answer).encode()
    while data:
        data = data[os.write(1, data) :]


def _own(trace: Any, file: str) -> Any:
    """Leave out how the task was started; all of it, where that is where it failed."""
    here = trace
    while here is not None and here.tb_frame.f_code.co_filename != file:
        here = here.tb_next
    return here or trace


if __name__ == "__main__":
    main()
