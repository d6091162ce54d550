"""Mistakes in policies, as (name, text, the lines that must be reported). Shared by the tests of both YAML parsers.

A line is ``line:column fragment``: the place is exact, the fragment is part of the message and its hint.
"""

from __future__ import annotations

HEAD = "version: 1\n"
FILES = HEAD + "filesystem_policy:\n"

YAML = [
    (
        "duplicate key",
        "version: 1\nlandlock: {}\nversion: 1\n",
        ["3:1 duplicate key 'version': it is already on line 1"],
    ),
    ("duplicate deep", FILES + "  read_only: []\n  read_only: []\n", ["4:3 duplicate key 'read_only'"]),
    ("duplicate by quotes", "version: 1\n'version': 1\n", ["2:1 duplicate key"]),
    ("alias", "version: &v 1\nlandlock: *v\n", ["1:10 anchor '&v'", "2:11 alias '*v'"]),
    ("tag", "version: !!int 1\n", ["1:10 tag 'tag:yaml.org,2002:int' is not allowed"]),
    (
        "python tag",
        "version: !!python/object/apply:os.system [id]\n",
        ["1:10 tag", "1:10 version: expected 1, found a list"],
    ),
    ("two documents", "version: 1\n---\nversion: 1\n", ["2:1 a second document starts here"]),
    ("directive", "%YAML 1.1\n---\nversion: 1\n", ["1:1 YAML directives"]),
    ("list as key", "version: 1\n? [a]\n: b\n", ["2:3 a key must be plain text"]),
    ("null as key", "version: 1\n~: b\n", ["2:1 a key must be plain text"]),
    ("a list", "- version: 1\n", ["1:1 expected a mapping of 'key: value' lines, found a list"]),
    ("text only", "hello\n", ["1:1 expected a mapping of 'key: value' lines, found the text 'hello'"]),
    ("escaped NUL", FILES + '  read_only: ["/a\\0b"]\n', ["3:15 NUL character (U+0000) in a value"]),
    ("escaped reordering", FILES + '  read_only: ["/a\\u202eb"]\n', ["3:15 invisible character U+202E"]),
    ("line break in a value", FILES + "  read_only:\n  - |\n    /usr\n", ["4:5 control character U+000A in a value"]),
    ("raw control character", "version: 1\n# \x07\n", ["2:3 control character U+0007 in the file"]),
    ("raw NUL", "version: 1\n\0", ["2:1 NUL character"]),
    ("raw reordering", "version: 1 # \u202e\n", ["1:14 invisible character U+202E"]),
    ("next line character", "version: 1\x85landlock: {}\n", ["1:11 control character U+0085"]),
    ("empty", "", ["1:1 the policy is empty"]),
    ("only comments", "# nothing\n---\n", ["1:1 the policy is empty"]),
    ("null document", "null\n", ["1:1 the policy is empty"]),
    ("deep", "a: " + "[" * 32 + "]" * 32, ["1:35 nested deeper than 32 levels"]),
]

TYPES = [
    ("no version", "landlock: {}\n", ["1:1 'version' is missing add version: 1"]),
    ("other version", "version: 2\n", ["1:10 version: expected 1, found 2"]),
    ("quoted version", "version: '1'\n", ["1:10 version: expected 1, found the text '1' remove the quotes"]),
    ("float version", "version: 1.0\n", ["1:10 version: expected 1, found the text '1.0'"]),
    ("octal version", "version: 01\n", ["1:10 version: expected 1, found the text '01'"]),
    ("huge number", "version: " + "9" * 5000 + "\n", ["1:10 version: expected 1, found the text '999"]),
    ("null section", HEAD + "landlock:\n", ["2:1 landlock: expected a mapping, found nothing give it a value"]),
    (
        "null list",
        FILES + "  read_only:\n",
        ["3:3 filesystem_policy.read_only: expected a list of paths, found nothing write []"],
    ),
    (
        "null table",
        HEAD + "network_policies:\n",
        ["2:1 network_policies: expected a mapping of named network policies, found nothing write {}"],
    ),
    (
        "null item",
        FILES + "  read_only:\n  -\n",
        ["4:4 filesystem_policy.read_only[0]: expected a path, found nothing give it a value, or remove the item"],
    ),
    (
        "text for a list",
        FILES + "  read_only: /usr\n",
        ["3:14 expected a list of paths, found the text '/usr' write [/usr]"],
    ),
    (
        "number for a path",
        FILES + "  read_only: [5]\n",
        ["3:15 filesystem_policy.read_only[0]: expected a path, found 5"],
    ),
    ("mapping for a path", FILES + "  read_only: [{a: b}]\n", ["3:15 expected a path, found a mapping"]),
    ("yes", FILES + "  include_workdir: yes\n", ["3:20 expected true or false, found the text 'yes' write true"]),
    (
        "capital",
        FILES + "  include_workdir: False\n",
        ["3:20 expected true or false, found the text 'False' write false"],
    ),
    (
        "quoted truth",
        FILES + "  include_workdir: 'true'\n",
        ["3:20 expected true or false, found the text 'true' write true"],
    ),
    ("not a truth", FILES + "  include_workdir: 2\n", ["3:20 expected true or false, found 2"]),
    (
        "off as false",
        HEAD + "runtime: {cuda_thread_names: false}\n",
        ["2:30 expected one of auto, broker, write_file, off, found false false is a truth value; write off"],
    ),
    ("true without a word", HEAD + "runtime: {cuda_thread_names: true}\n", ["2:30 found true"]),
    (
        "near word",
        HEAD + "landlock: {compatibility: besteffort}\n",
        ["2:27 found the text 'besteffort' did you mean 'best_effort'?"],
    ),
    (
        "far word",
        HEAD + "landlock: {compatibility: sometimes}\n",
        ["2:27 expected one of best_effort, hard_requirement, found the text 'sometimes'"],
    ),
]

KEYS = [
    ("near key", HEAD + "landlok: {}\n", ["2:1 landlok: unknown key did you mean 'landlock'?"]),
    ("first part", HEAD + "filesystem: {}\n", ["2:1 filesystem: unknown key did you mean 'filesystem_policy'?"]),
    ("dashes", HEAD + "network-policies: {}\n", ["2:1 did you mean 'network_policies'?"]),
    (
        "swapped letters",
        FILES + "  raed_only: []\n",
        ["3:3 filesystem_policy.raed_only: unknown key did you mean 'read_only'?"],
    ),
    (
        "wrong level",
        HEAD + "read_only: []\n",
        ["2:1 read_only: unknown key 'read_only' belongs under filesystem_policy"],
    ),
    (
        "far key",
        HEAD + "seccomp: {}\n",
        ["2:1 seccomp: unknown key known keys here: version, filesystem_policy, landlock"],
    ),
    ("number as key", HEAD + "5: {}\n", ["2:1 5: unknown key"]),
    ("very long key", HEAD + "? " + "k" * 3000 + "\n: 1\n", ["2:3 kkk"]),
    ("middleware", HEAD + "network_middlewares: {}\n", ["2:1 network middleware is not available"]),
]

PATHS = [
    (
        "relative",
        FILES + "  read_only: [usr/lib]\n",
        ["3:15 expected an absolute path, found 'usr/lib' paths are taken literally"],
    ),
    (
        "dot",
        FILES + "  read_write: [.]\n",
        ["3:16 expected an absolute path, found '.' write the whole path from '/'; for the working directory"],
    ),
    (
        "home",
        FILES + "  read_only: [~/x]\n",
        ["3:15 expected an absolute path, found '~/x' paths are taken literally, nothing is expanded"],
    ),
    (
        "variable",
        FILES + "  read_only: [$HOME]\n",
        ["3:15 found '$HOME' paths are taken literally, nothing is expanded"],
    ),
    ("empty path", FILES + "  read_only: ['']\n", ["3:15 expected a path, found an empty text"]),
    ("parent", FILES + "  read_only: [/a/../b]\n", ["3:15 '..' is not allowed in a path, found '/a/../b'"]),
    ("parent at the end", FILES + "  read_only: [/a/..]\n", ["3:15 '..' is not allowed"]),
    ("root writable", FILES + "  read_write: [/]\n", ["3:16 '/' must not be writable"]),
    ("root in disguise", FILES + "  read_write: [//./]\n", ["3:16 '/' must not be writable"]),
    ("long", FILES + "  read_only: [/" + "x" * 4999 + "]\n", ["3:15 the path has 5000 characters; at most 4096"]),
    (
        "twice",
        FILES + "  read_only: [/a, /b, /a/]\n",
        ["3:23 filesystem_policy.read_only: '/a' is already in read_only on line 3"],
    ),
    (
        "in both",
        FILES + "  read_only: [/a]\n  read_write: [/a]\n",
        ["4:16 filesystem_policy.read_write: '/a' is already in read_only on line 3"],
    ),
    (
        "read-only inside writable",
        FILES + "  read_write:\n    - /srv\n  read_only:\n    - /srv/a/b\n",
        ["6:7 '/srv/a/b' lies inside '/srv', which read_write grants on line 4: it would be writable too"],
    ),
    (
        "257",
        FILES + "  read_only:\n" + "".join(f"  - /p{n}\n" for n in range(257)),
        ["260:5 257 paths are declared; at most 256"],
    ),
    (
        "257 in both",
        FILES
        + f"  read_only: [{', '.join(f'/p{n}' for n in range(200))}]\n"
        + f"  read_write: [{', '.join(f'/q{n}' for n in range(57))}]\n",
        ["4:342 257 paths are declared; at most 256"],
    ),
]

IDENTITY = [
    (
        "root",
        HEAD + "process: {run_as_user: root}\n",
        ["2:24 process.run_as_user: a sandbox never runs as uid 0 ('root')"],
    ),
    ("uid 0", HEAD + "process: {run_as_user: 0}\n", ["2:24 a sandbox never runs as uid 0 ('0')"]),
    ("uid 00", HEAD + "process: {run_as_user: '000'}\n", ["2:24 a sandbox never runs as uid 0 ('000')"]),
    ("uid -0", HEAD + "process: {run_as_user: '-0'}\n", ["2:24 a sandbox never runs as uid 0 ('-0')"]),
    (
        "group root",
        HEAD + "process: {run_as_group: root}\n",
        ["2:25 process.run_as_group: a sandbox never runs as gid 0"],
    ),
    ("gid 0", HEAD + "process: {run_as_group: '0'}\n", ["2:25 a sandbox never runs as gid 0"]),
    (
        "unchanged",
        HEAD + "process: {run_as_user: 4294967295}\n",
        ["2:24 expected a user name, or a uid from 1 to 4294967294"],
    ),
    ("negative", HEAD + "process: {run_as_user: -5}\n", ["2:24 expected a user name, or a uid"]),
    ("leading zero", HEAD + "process: {run_as_user: '0100'}\n", ["2:24 expected a user name, or a uid"]),
    ("other digits", HEAD + "process: {run_as_user: '٠'}\n", ["2:24 expected a user name, or a uid"]),
    ("colon", HEAD + "process: {run_as_user: 'a:b'}\n", ["2:24 'a:b' cannot be a user name"]),
    ("option", HEAD + "process: {run_as_user: -x}\n", ["2:24 '-x' cannot be a user name"]),
    ("truth", HEAD + "process: {run_as_user: true}\n", ["2:24 expected a user name or uid, found true"]),
    ("empty name", HEAD + "process: {run_as_user: ''}\n", ["2:24 expected a user name or uid, found an empty text"]),
]
