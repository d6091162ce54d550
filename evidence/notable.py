"""Files of procfs that matter by name, and where a file belongs."""

from __future__ import annotations

NOTABLE = (
    ("/proc/<pid>/comm", "names the process: what CUDA needs"),
    ("/proc/<pid>/task/<tid>/comm", "names a thread: what CUDA needs"),
    ("/proc/<pid>/mem", "changes memory, read-only mappings too"),
    ("/proc/<pid>/oom_score_adj", "chooses whom the kernel kills when memory runs out"),
    ("/proc/<pid>/uid_map", "maps the ids of a user namespace"),
    ("/proc/<pid>/gid_map", "maps the ids of a user namespace"),
    ("/proc/<pid>/setgroups", "says whether groups can be dropped in a user namespace"),
    ("/proc/<pid>/clear_refs", "clears which pages were used or changed"),
    ("/proc/<pid>/coredump_filter", "chooses what a core dump holds"),
    ("/proc/<pid>/attr/current", "changes the label that a security module decides by"),
    ("/proc/<pid>/attr/exec", "changes the label after the next exec"),
    ("/proc/<pid>/loginuid", "changes to whom the audit log attributes a session"),
    ("/proc/<pid>/timerslack_ns", "changes how late timers may be"),
    ("/proc/<pid>/autogroup", "changes the priority of a session"),
    ("/proc/<pid>/sched", "resets the scheduler's statistics"),
    ("/proc/sysrq-trigger", "reboots, crashes the kernel, kills everything"),
    ("/proc/kmsg", "the kernel's log"),
    ("/proc/mtrr", "changes how the processor caches memory"),
    ("/proc/irq/default_smp_affinity", "moves interrupts among processors"),
    ("/proc/sys/kernel/core_pattern", "runs a program as root, outside of any sandbox, at the next crash"),
    ("/proc/sys/kernel/modprobe", "runs a program as root when a module is wanted"),
    ("/proc/sys/kernel/hotplug", "runs a program as root when a device appears"),
    ("/proc/sys/kernel/usermodehelper/bset", "capabilities of programs that the kernel starts"),
    ("/proc/sys/kernel/sysrq", "allows what sysrq-trigger does from the keyboard"),
    ("/proc/sys/kernel/ns_last_pid", "chooses the number of the next process"),
    ("/proc/sys/kernel/randomize_va_space", "turns address randomisation off"),
    ("/proc/sys/kernel/unprivileged_bpf_disabled", "opens bpf(2) to users"),
    ("/proc/sys/kernel/yama/ptrace_scope", "opens tracing to siblings"),
    ("/proc/sys/fs/suid_dumpable", "lets programs that gained privileges dump their memory"),
    ("/proc/sys/fs/protected_symlinks", "turns protection against planted links off"),
    ("/proc/sys/net/ipv4/ip_forward", "makes the host a router"),
    ("/proc/sys/vm/drop_caches", "empties caches"),
    ("/proc/sys/vm/overcommit_memory", "changes how memory is given out"),
    ("/proc/pressure/memory", "registers a trigger for lack of memory"),
)
"""(path, what writing would do), in the order of the page. Nothing is ever written to them here."""

OWN = ("/proc/<pid>/net/", "/proc/<pid>/task/<tid>/net/", "/proc/<pid>/task/<tid>/", "/proc/<pid>/")
DEEP = ("/proc/sys/",)


def family(path: str) -> str:
    """Return the folder that a file is counted under: two names beneath ``/proc/sys``, else one."""
    for folder in OWN:
        if path.startswith(folder):
            return f"`{folder}`" if folder.endswith("net/") else f"`{folder}` (the rest)"
    depth = 4 if path.startswith(DEEP) else 3
    parts = path.split("/")
    return f"`{'/'.join(parts[:depth])}/`" if len(parts) > depth else "`/proc/` itself"
