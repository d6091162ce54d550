"""What every client's script is made of: checks, each run once, and one JSON object of what came of them.

Usage of a script: ``python SCRIPT.py GIVEN``, where GIVEN is a JSON object. Needs no package.
"""

import json
import sys
import traceback

CHECKS = []
GIVEN = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
"""What the test has told."""


def check(function):
    """Have this function called by ``tell``; what it returns is what came of the check."""
    CHECKS.append(function)
    return function


def tell(*arguments):
    """Call the checks with these arguments, in the order they were written; print what each returned or raised."""
    told = {}
    for function in CHECKS:
        try:
            told[function.__name__] = {"value": function(*arguments), "error": None}
        except Exception:
            told[function.__name__] = {"value": None, "error": traceback.format_exc()}
    print(json.dumps(told))


def raised(function, *arguments, **options):
    """Call what must fail, and return the exception."""
    try:
        answer = function(*arguments, **options)
    except Exception as error:
        return error
    raise AssertionError(f"it did not fail but returned {answer!r}")
