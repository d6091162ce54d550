"""The gateway: sandboxes that stay, kept and served over gRPC."""

import os

# gRPC reads this when it is first imported. Else it writes to stderr, on the server's side a line for each connection
# that is refused, with which anybody who can connect could fill a disk.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
