"""The schema of a policy but for its network section: OpenShell's keys, and ``runtime``, which is ours."""

from __future__ import annotations

from pyopenshell.policy import contributors, filesystem, identity
from pyopenshell.policy.field import Field
from pyopenshell.policy.model import (
    COMPATIBILITY,
    CUDA_THREAD_NAMES,
    KERNEL_LOG,
    MAX_CONTRIBUTORS,
    MAX_PATH_LENGTH,
    MAX_PATHS,
)

# No '..' component; and for a path that may be written more than '.' and empty components.
_PATH = {"pattern": r"^/(?!(.*/)?\.\.(/|$))", "maxLength": MAX_PATH_LENGTH}
_WRITABLE = {"pattern": r"^/(?!(.*/)?\.\.(/|$))" + r"(?!(\.?/)*\.?$)", "maxLength": MAX_PATH_LENGTH}
_PATH_ITEM = Field("text", "An absolute path.", noun="a path", check=filesystem.check_path, schema=_PATH)
_IDENTITY = {"minLength": 1, "minimum": 1, "maximum": identity.MAX_ID, "not": {"enum": ["root", "0"]}}

FILESYSTEM = Field(
    "mapping",
    "Which paths the sandboxed program may use. Fixed for the sandbox's life. Nothing outside these paths and the "
    "runtime's own, which are reported, is accessible.",
    fields={
        "include_workdir": Field(
            "boolean",
            "Whether the working directory and everything beneath it may be read and written.",
            default=False,
        ),
        "read_only": Field(
            "list",
            "Files and folders that may be read, listed and executed, with everything beneath them.",
            noun="a list of paths",
            default=(),
            item=_PATH_ITEM,
            schema={"maxItems": MAX_PATHS, "uniqueItems": True, "examples": [["/usr/share", "/opt/models"]]},
        ),
        "read_write": Field(
            "list",
            "Files, folders and devices that may also be written, made and removed, with everything beneath them.",
            noun="a list of paths",
            default=(),
            item=Field(
                "text", "An absolute path, not '/'.", noun="a path", check=filesystem.check_writable, schema=_WRITABLE
            ),
            schema={"maxItems": MAX_PATHS, "uniqueItems": True, "examples": [["/srv/results"]]},
        ),
    },
)

LANDLOCK = Field(
    "mapping",
    "How strictly the kernel must be able to enforce this policy. Fixed for the sandbox's life.",
    fields={
        "compatibility": Field(
            "text",
            "best_effort enforces all that this kernel can and reports the rest; hard_requirement starts nothing "
            "unless everything is enforced.",
            choices=COMPATIBILITY,
            default="best_effort",
        ),
    },
)

PROCESS = Field(
    "mapping",
    "Whom the program runs as, where the runtime may choose (that is, when it was started by root). Never root.",
    fields={
        "run_as_user": Field(
            "identity", "User name or uid.", noun="a user name or uid", check=identity.check_user, schema=_IDENTITY
        ),
        "run_as_group": Field(
            "identity", "Group name or gid.", noun="a group name or gid", check=identity.check_group, schema=_IDENTITY
        ),
    },
)

RUNTIME = Field(
    "mapping",
    "What the runtime may add for the program's sake. An addition to OpenShell's schema.",
    fields={
        "cuda_thread_names": Field(
            "text",
            "How CUDA may name its threads in a GPU sandbox: auto, broker, write_file or off.",
            choices=CUDA_THREAD_NAMES,
            default="auto",
        ),
        "kernel_log": Field(
            "text",
            "Whether the kernel's audit log shows what Landlock denies the program: denials or off.",
            choices=KERNEL_LOG,
            default="denials",
        ),
        "kernel_log_quiet": Field(
            "list",
            "Files and folders at or beneath which denials are expected and are not logged. Grants nothing.",
            noun="a list of paths",
            default=(),
            item=_PATH_ITEM,
            schema={"maxItems": MAX_PATHS, "uniqueItems": True, "examples": [["/etc/shadow", "/root"]]},
        ),
        "contributors": Field(
            "list",
            "Installed contributors, by exact name, that may add grants for a runtime; all of them are listed as "
            "additions.",
            noun="a list of names",
            default=(),
            item=Field(
                "text",
                "The name of an entry point in the group pyopenshell.contributors.",
                noun="a name",
                check=contributors.check_name,
                schema={"pattern": contributors.PATTERN},
            ),
            schema={"maxItems": MAX_CONTRIBUTORS, "uniqueItems": True, "examples": [["model-cache"]]},
        ),
    },
)

NETWORK_POLICIES = Field(
    "table",
    "Named rules: which programs may reach which endpoints. Nothing else is reachable.",
    noun="a mapping of named network policies",
    default={},
)
"""Its items are in ``policy.network``, which is imported only for policies that have any."""

POLICY = Field(
    "mapping",
    "A sandbox policy.",
    noun="a mapping of 'key: value' lines",
    fields={
        "version": Field("integer", "Version of the policy schema.", required=True, low=1, high=1),
        "filesystem_policy": FILESYSTEM,
        "landlock": LANDLOCK,
        "process": PROCESS,
        "network_policies": NETWORK_POLICIES,
        "runtime": RUNTIME,
    },
    unsupported={
        "network_middlewares": (
            "network middleware is not available in this version",
            "remove the section: without it the same traffic would pass unexamined, so it is not ignored",
        ),
    },
)
