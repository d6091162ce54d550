"""Rows for every sandbox that close doors into other processes and into the kernel.

Errors are what programs know how to take: ENOSYS where they fall back on something else, else the kernel's own answer
to a program without the privilege. Constants are the same on x86_64 and aarch64.
"""

from __future__ import annotations

from pyopenshell.seccomp.row import Condition, Row, each

CLONE_NEWUSER = 0x10000000
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 1 << 3
AT_EMPTY_PATH = 0x1000

NOTHING_NEW = "Nothing new: without privilege the kernel refuses it as well."
OWN_SANDBOXES = (
    "Sandboxes that programs make for themselves cannot start inside: bubblewrap, rootless containers, Chromium and "
    "Electron (which run with --no-sandbox)."
)
KEPT_FROM_CODE = (
    "Only privilege may do this, and no sandbox has any. The row keeps the kernel's code for it out of reach, whatever "
    "mistake is in there."
)

PROCESSES = (
    *each(
        "ptrace",
        "errno:EPERM",
        "A tracer takes over the program it traces, open files and secrets included, and changes its syscalls while "
        "they are being judged. Landlock denies it across the sandbox's edge only.",
        "strace, gdb, cuda-gdb and other debuggers can neither attach to programs nor start them. LeakSanitizer fails: "
        "ASAN_OPTIONS=detect_leaks=0 switches it off.",
    ),
    *each(
        "process_vm_readv process_vm_writev",
        "errno:EPERM",
        "They read and change another program's memory, as a tracer does.",
        "py-spy and other samplers cannot read a running program. MPI and UCX copy through shared memory instead.",
    ),
    *each(
        "pidfd_getfd",
        "errno:ENOSYS",
        "It takes an open file out of another process. Programs that want to share one send it over a Unix socket.",
        "PyTorch cannot share CUDA tensors between processes under expandable_segments:True, and says to switch that "
        "off.",
    ),
    *each(
        "kcmp",
        "errno:EPERM",
        "It compares what two processes hold in the kernel, and its answers follow the order of kernel addresses.",
        "Mesa's drivers warn that they cannot tell whether two descriptors are the same file.",
    ),
    *each(
        "process_madvise",
        "errno:EPERM",
        "It steers how the kernel keeps another process's memory. Programs advise on their own with madvise.",
    ),
    Row(
        "prlimit64",
        "errno:EPERM",
        "It sets the limits of any process of the same user: the sandbox's own first process could be left without "
        "descriptors, and, where there is no pid namespace, so could others. Own limits are set with pid 0.",
        "the process is not the caller itself (pid 0)",
        (Condition(0, (0,), negated=True),),
        "prlimit --pid, and resource.prlimit with a pid, fail.",
    ),
)

NAMESPACES = (
    *(
        Row(
            name,
            "errno:EPERM",
            "In a user namespace of its own a program has every capability there, and so reaches code of the kernel "
            "that is meant for root: mounts, packet filters, raw sockets. EPERM is the answer of a host that leaves "
            "such namespaces to root.",
            "the flags have CLONE_NEWUSER",
            (Condition(0, (CLONE_NEWUSER,), mask=CLONE_NEWUSER),),
            OWN_SANDBOXES,
        )
        for name in ("unshare", "clone")
    ),
    *each(
        "clone3",
        "errno:ENOSYS",
        "Its flags are in memory, where a filter cannot look; libraries fall back to clone, where the row for "
        "CLONE_NEWUSER applies.",
    ),
    *each("setns", "errno:EPERM", "It enters the namespaces of another process.", NOTHING_NEW),
    *each(
        "mount umount2 pivot_root chroot fchroot fsopen fsconfig fsmount fspick open_tree open_tree_attr "
        "move_mount mount_setattr",
        "errno:EPERM",
        "Mounts and the root folder decide which file a path means, and so what the grants mean.",
        "mount, chroot and FUSE (sshfs, AppImage) fail; no set-uid program could help them in a sandbox either.",
    ),
)

KERNEL = (
    *each(
        "io_uring_setup io_uring_enter io_uring_register",
        "errno:ENOSYS",
        "A ring opens files and sockets without a syscall that this filter sees. Programs fall back as on a kernel "
        "without io_uring.",
        "Libraries that can use io_uring (Node, databases) fall back to ordinary calls.",
    ),
    *each(
        "keyctl add_key request_key",
        "errno:ENOSYS",
        "Keyrings belong to users and sessions, and no namespace or Landlock rule keeps them apart: tickets and disk "
        "keys of whoever started the sandbox could be read and replaced.",
        "Kerberos falls back from kernel keyrings to files.",
    ),
    *each(
        "bpf",
        "errno:EPERM",
        "It loads programs into the kernel, whose checks of them have let through what they should not.",
        "bpftrace and other eBPF tools fail, as for ordinary users of most hosts.",
    ),
    *each(
        "perf_event_open",
        "errno:EACCES",
        "It measures what the CPU and the kernel do, which tells of other programs' secrets, through code with many "
        "past holes. EACCES is the answer of a host where perf_event_paranoid forbids it.",
        "perf and PAPI do not work; CPU sampling by other profilers fails.",
    ),
    *each(
        "userfaultfd",
        "errno:EPERM",
        "It holds the kernel, or a helper that reads the program's memory, in the middle of a read for as long as the "
        "program likes, so that races are won.",
        "QEMU's and CRIU's migration of a running program fails.",
    ),
    Row(
        "seccomp",
        "errno:EPERM",
        "Who holds a listener answers syscalls in the kernel's stead, and a process can have one only: the broker's. "
        "Without a broker it is refused too, so that the answer is always the same. Other filters may be added.",
        "the operation is SECCOMP_SET_MODE_FILTER and the flags have SECCOMP_FILTER_FLAG_NEW_LISTENER",
        (
            Condition(0, (SECCOMP_SET_MODE_FILTER,)),
            Condition(1, (SECCOMP_FILTER_FLAG_NEW_LISTENER,), mask=SECCOMP_FILTER_FLAG_NEW_LISTENER),
        ),
        "Programs that answer others' syscalls fail (container engines that emulate mounts); a sandbox started inside "
        "has no broker of its own.",
    ),
    *each(
        "init_module finit_module delete_module kexec_load kexec_file_load swapon swapoff reboot acct",
        "errno:EPERM",
        KEPT_FROM_CODE,
        NOTHING_NEW,
    ),
    *each(
        "quotactl quotactl_fd",
        "errno:EPERM",
        "They administer disk quotas. All but reading one's own needs privilege, and no sandbox has any.",
        "quota does not show the user's own limits.",
    ),
    *each(
        "syslog",
        "errno:EPERM",
        "It reads the kernel's log, which tells of everything on the host, and clears it.",
        "dmesg fails, as where dmesg_restrict is set.",
    ),
    *each(
        "file_setattr",
        "errno:ENOSYS",
        "It changes a file's attributes (no dump, no access times, its project) by path, where Landlock looks at "
        "nothing. Programs fall back to an ioctl on the file, which they must have been able to open.",
    ),
)

CODE = (
    *each(
        "open_by_handle_at",
        "errno:EPERM",
        "It opens a file by its number instead of a path, whatever folders are in view: a known way out of containers.",
        NOTHING_NEW,
    ),
    Row(
        "execveat",
        "errno:ENOSYS",
        "It starts whatever a descriptor refers to, and no path says what that was. fexecve falls back to "
        "/proc/self/fd/N; the grants decide about both.",
        "the flags have AT_EMPTY_PATH",
        (Condition(4, (AT_EMPTY_PATH,), mask=AT_EMPTY_PATH),),
    ),
    *each(
        "memfd_create",
        "allow",
        "CUDA needs it. A file in memory can hold code, and starting it as /proc/self/fd/N is not denied: Landlock's "
        "rules are about files that have a path. The code runs with no more access than what wrote it.",
    ),
)
