"""Signal numbers and masks from the C module ``_signal``: the module ``signal`` would import ``enum``, a slow one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

SIGHUP: int = _signal.SIGHUP
SIGINT: int = _signal.SIGINT
SIGQUIT: int = _signal.SIGQUIT
SIGABRT: int = _signal.SIGABRT
SIGKILL: int = _signal.SIGKILL
SIGUSR1: int = _signal.SIGUSR1
SIGUSR2: int = _signal.SIGUSR2
SIGSEGV: int = _signal.SIGSEGV
SIGPIPE: int = _signal.SIGPIPE
SIGALRM: int = _signal.SIGALRM
SIGTERM: int = _signal.SIGTERM
SIGCHLD: int = _signal.SIGCHLD
SIGCONT: int = _signal.SIGCONT
SIGSTOP: int = _signal.SIGSTOP
SIGTSTP: int = _signal.SIGTSTP
SIGTTIN: int = _signal.SIGTTIN
SIGTTOU: int = _signal.SIGTTOU
SIGWINCH: int = _signal.SIGWINCH
SIGSYS: int = _signal.SIGSYS

SIG_DFL: int = _signal.SIG_DFL
SIG_IGN: int = _signal.SIG_IGN
SIG_BLOCK: int = _signal.SIG_BLOCK
SIG_UNBLOCK: int = _signal.SIG_UNBLOCK
SIG_SETMASK: int = _signal.SIG_SETMASK

signal = _signal.signal
getsignal = _signal.getsignal
pthread_sigmask = _signal.pthread_sigmask
valid_signals = _signal.valid_signals
pidfd_send_signal = _signal.pidfd_send_signal
alarm = _signal.alarm


def expect_children() -> None:
    """Take SIGCHLD as it comes by default: with it ignored, the kernel reaps children and waitpid(2) finds none.

    A caller may have left it ignored, and that survives execve(2). Outside the main thread nothing can be changed.
    """
    try:
        signal(SIGCHLD, SIG_DFL)
    except ValueError:
        pass


def name(number: int) -> str:
    """Return a signal's name for people: ``SIGTERM``, ``SIGRTMIN+3``, or ``signal 99`` where it has none."""
    if _signal.SIGRTMIN <= number <= _signal.SIGRTMAX:
        offset = number - _signal.SIGRTMIN
        return f"SIGRTMIN+{offset}" if offset else "SIGRTMIN"
    for key in dir(_signal):  # sorted: of two names the usual one comes first (SIGABRT, SIGCHLD, SIGIO)
        if key.startswith("SIG") and "_" not in key and getattr(_signal, key) == number:
            return key
    return f"signal {number}"
