"""From a document tree to a policy, by hand: every mistake is found in one pass, each with its place."""

from __future__ import annotations

from pyopenshell.policy import contributors, filesystem
from pyopenshell.policy.check import checked, part, value
from pyopenshell.policy.document import plain
from pyopenshell.policy.fields import POLICY
from pyopenshell.policy.model import NetworkPolicy, Policy, ProcessPolicy, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.policy.document import Node
    from pyopenshell.policy.problems import Problems


def validate(root: Node, source: Source, problems: Problems) -> Policy:
    """Return the policy that ``root`` describes. It is of use only if no problem was added."""
    tree = checked(root, POLICY, "", problems)
    process, runtime = part(tree, "process"), part(tree, "runtime")
    thread_names = part(runtime, "cuda_thread_names")
    return Policy(
        source=source,
        declared=plain(root),
        version=value(tree, "version", 1),
        filesystem=filesystem.build(part(tree, "filesystem_policy"), problems),
        compatibility=value(part(tree, "landlock"), "compatibility", "best_effort"),
        process=ProcessPolicy(value(process, "run_as_user"), value(process, "run_as_group")),
        network=_network(part(tree, "network_policies"), problems),
        cuda_thread_names=value(runtime, "cuda_thread_names", "auto"),
        cuda_thread_names_line=thread_names.line if thread_names else 0,
        kernel_log=value(runtime, "kernel_log", "denials"),
        kernel_log_quiet=filesystem.quiet(runtime, problems),
        contributors=contributors.build(runtime, problems),
    )


def _network(section: Node | None, problems: Problems) -> tuple[NetworkPolicy, ...]:
    """Check the network section, whose tables most policies never need."""
    if section is None or not section.value:
        return ()
    from pyopenshell.policy.network import build

    return build(section, problems)
