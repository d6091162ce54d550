"""Launches a sandbox with a folder of its own, as a supervisor does, and writes down what is known of it afterwards.

``python -m tests.confined.gateway.own JSON``, in a process of its own: it may give itself a host that has
``/sandbox`` or has not, become another user, and enter a world that offers less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from pyopenshell import runs, sandbox
from pyopenshell.effective import load
from pyopenshell.kernel import namespaces as ns
from pyopenshell.planning import RunRequest, plan
from pyopenshell.sandbox.why import InForce

if TYPE_CHECKING:
    from typing import NoReturn

ROOT = os.getcwd()
_NEW_ROOT = """
set -e
cd "$1"; mkdir .old
if [ "$2" = with ]; then mkdir sandbox; echo secret > sandbox/hosts; mkdir sandbox/shared; fi
for entry in /*; do
  if [ "$entry" = /sandbox ]; then continue
  elif [ -L "$entry" ]; then ln -s "$(readlink "$entry")" ".$entry"
  elif [ -d "$entry" ]; then mkdir ".$entry"; mount --rbind "$entry" ".$entry"
  fi
done
"""


def change_host(root: str, sandbox: str) -> None:
    """Be on a host like this one, ``with`` a folder ``/sandbox`` that has something in it, or without. Needs root."""
    ns.unshare(ns.CLONE_NEWNS)
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE, None)
    ns.mount("tmpfs", root, "tmpfs", 0, "mode=755")
    subprocess.run(["/bin/sh", "-c", _NEW_ROOT, "sh", root, sandbox], check=True)
    os.chdir(root)
    subprocess.run(["/usr/sbin/pivot_root", ".", ".old"], check=True)
    os.chdir("/")
    ns.umount("/.old", ns.MNT_DETACH)
    os.rmdir("/.old")


def main() -> None:
    """Do as told."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    if any(asked[key] for key in ("root", "uid", "around")):
        _begin(asked)
    _launch(asked)


def _begin(asked: dict[str, Any]) -> NoReturn:
    """Go on elsewhere. Executed anew: who has changed its uid may not write to its own /proc/self/uid_map."""
    if asked["root"]:
        change_host(*asked["root"])
    if asked["uid"]:
        os.setgroups([])
        os.setresgid(*[asked["uid"]] * 3)
        os.setresuid(*[asked["uid"]] * 3)
    again = json.dumps({**asked, "root": None, "uid": 0, "around": []})
    argv = [*asked["around"], sys.executable, "-m", "tests.confined.gateway.own", again]
    os.chdir(ROOT)
    os.execv(argv[0], argv)


def _launch(asked: dict[str, Any]) -> None:
    own = asked["own"]
    request = RunRequest(tuple(asked["command"]), asked["policy"], own_folder=own)
    planned = plan(request, keep_id=True)
    effective = planned.effective
    if os.geteuid() == 0:
        os.chown(own, planned.identity.uid, planned.identity.gid)
    if asked["vanishes"]:
        os.rename(own, f"{own}-gone")
    record = runs.create(effective.name, planned.policy.source.text, planned.meta(), run_id=effective.run_id)
    verdicts: list[Any] = []
    end = sandbox._run(planned, record, None, verdicts.append if asked["verify"] else None)
    view = runs.find(record.id)
    shape = view.effective()
    assert shape
    told = InForce(**load.from_dict(shape).__dict__)
    answers = {f"{wants} {path}": told.why(path, wants) for wants, path in asked["why"]}
    known = {
        "effective": shape,
        "receipt": view.receipt(),
        "code": end.code,
        "verified": [[one.verdict, [found.sentence() for found in one.drift]] for one in verdicts],
        "why": {key: [answer.allowed, answer.subject] for key, answer in answers.items()},
    }
    with open(asked["result"], "w") as file:
        json.dump(known, file)


if __name__ == "__main__":
    main()
