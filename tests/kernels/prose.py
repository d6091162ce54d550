"""The words of docs/support.md, around its tables."""

PAGE = """\
# Where it works, and what enforces what

Written by `make support` from what was measured. A change of kernel, distribution or container engine changes what
enforces a sandbox, not what its policy says: `openshell doctor` tells what a host offers, `openshell policy get NAME
--full` what became of each right there, and `openshell policy diff A.json B.json` compares two of them.

The words in the tables:

- _Landlock_: the kernel checks the right itself. _namespace_: the sandbox has a private one, so that there is nothing
  outside to reach. _mounts_: a private mount namespace hides the places that matter, or makes them read-only. _filter_:
  the syscall filter denies the calls altogether. _always_: this kernel denies it to every confined program.
- **open**: nothing restricts it in this place. The effective policy has a finding that says so, and
  `landlock.compatibility: hard_requirement` refuses to start.
- _broker_: CUDA's thread names are written by the broker, and two procfs files can be written. _write_file_: a Landlock
  rule on all of `/proc` lets them be written, with a High finding.

And the columns. Files: reading, writing, executing, making and removing them. Moving: renames and links between
folders. Emptying: files that may not be written, by truncate(2) or `O_TRUNC`. Device ioctls: on devices that may be
opened. Sockets: connecting to those of programs outside. Processes: seeing and tracing those outside. Mounts: a view
of the host's files where only what is granted can be changed at all, modes and times included.

## By kernel

Debian's kernels, booted under emulation (`make test-kernels`). Each row is a sandbox of the default policy, verified
by a probe from inside.

{kernels}
## By place

Measured on {places_kernel}; _simulated_ means that a syscall filter refuses what the place would refuse.

{places}
## By distribution

What the distributions themselves document, and the measured row that it corresponds to.

{distributions}
## What is restricted nowhere

stat(2), access(2), chdir(2) and readlink(2) on any path that can be reached; what a granted file says about other
processes; how much memory, processor time and disk a program uses. The [threat model](threat-model.md) has the whole
list.

A sandbox inside a sandbox needs Landlock ABI 5: below it the outer one's filter denies openat2(2), without which the
inner one opens no path and refuses to start.

## The tests behind it

One row for each run of the tests marked `kernels`. Landlock ABI 1, 3, 4 and 5 are in no package: those rows are
_masked_, which means that a newer kernel was used only so far (`openshell run --max-abi N`). All of tests/confined
runs on a kernel with `make test-kernels KERNELS="--only 6.1 --tests all"`.

{tests}"""
