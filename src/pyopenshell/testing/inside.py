"""What ``run_confined`` starts in a sandbox: it reads a task from its standard input, and tells the outcome last.

It is handed over as text, to whatever ``python3`` there is: it imports nothing but the standard library.
"""

import json
import os
import sys
import traceback


def main() -> None:
    """Do the task. What it prints comes first; the token then separates the outcome."""
    task = json.loads(sys.stdin.read())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    outcome: dict = {}
    try:
        names: dict = {"__name__": "__sandboxed__"}
        exec(compile(task["source"], task["file"], "exec"), names)  # noqa: S102 - it is what this is for
        if task["function"]:
            outcome["value"] = names[task["function"]](*task["arguments"])
        answer = json.dumps(outcome)
    except Exception as error:  # whatever the test's function raises is its outcome
        outcome = {
            "error": traceback.format_exception_only(type(error), error)[-1].strip(),
            "errno": getattr(error, "errno", None),
            "traceback": traceback.format_exc(),
        }
        answer = json.dumps(outcome)
    sys.stdout.flush()  # noqa: TID251 - it is the sandboxed program's own
    data = (task["token"] + answer).encode()
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
