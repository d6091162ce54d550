"""What the broker itself may do: a list of allowed system calls, for it reads what hostile programs hand it."""

from __future__ import annotations

ALLOWED = (
    *("ioctl", "process_vm_readv", "openat", "readlinkat", "read", "close", "poll", "ppoll", "pidfd_open"),
    # its report to the supervisor, and the listener from init
    *("sendto", "sendmsg", "recvmsg", "fcntl", "fstat", "newfstatat"),
    # waiting for init, and ending what it leaves behind
    *("wait4", "kill", "getpid", "getppid", "select", "pselect6", "getdents64", "lseek", "clock_nanosleep"),
    # the interpreter: memory, signals, its end
    *("brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "futex", "getrandom", "gettid", "sched_yield"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "signalfd4"),
    *("clock_gettime", "gettimeofday", "exit", "exit_group"),
)
"""Serving, waiting, and what CPython needs for both. Neither execve nor fork, no socket, no write to a file."""
