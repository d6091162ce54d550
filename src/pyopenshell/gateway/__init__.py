"""The gateway: sandboxes that stay, kept and served over gRPC."""

import os

# gRPC reads these when it is first imported. Else it writes to stderr, on the server's side a line for each connection
# that is refused, with which anybody who can connect could fill a disk.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# And a child of fork(2) that never touches gRPC is aborted by what gRPC does in it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
