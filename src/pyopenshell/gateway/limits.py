"""How much of everything a gateway takes, in one place. Sizes in bytes, times in seconds, if not said otherwise."""

from __future__ import annotations

MESSAGE = 4 << 20
"""Of one message to the gateway, and gRPC's own bound for what a client takes. Larger ones: RESOURCE_EXHAUSTED."""
METADATA = 16 << 10
"""Of a call's headers; beyond it gRPC refuses the call."""
CALLS = 4096
"""Calls at once, over all connections; one more is answered RESOURCE_EXHAUSTED."""
STREAMS = 1024
"""Calls at once on one connection; a client's next ones wait on its side."""
CONNECTIONS = 1024
"""Connections at once to one address."""
HANDSHAKE = 10
"""Until a connection must have said who it is and that it speaks HTTP/2; then it is closed."""
IDLE = 30 * 60
"""A connection without calls is closed; clients open another by themselves."""
KEEPALIVE, KEEPALIVE_ANSWER = 60, 20
"""A client is asked whether it still is there, and has so long to answer."""
PING_EVERY = 10
"""A client may ask as often; one that asks more often is sent away."""
REFUSALS = 30
"""Refused calls that are logged in a minute; of the others the number is."""
GRACE = 5
"""Calls may end by themselves when the gateway is told to stop."""

REQUEST_FIELDS = 256
"""Entries of a list or a map in a request, if nothing else is said."""
LABEL = 63
"""Characters of a label's value, and of its key after the slash; 253 before it (as Kubernetes has them)."""
ANNOTATIONS = 256 << 10
"""Of all annotations of one object."""
ENVIRONMENT, ENVIRONMENT_NAME = 1024, 256
"""Variables, and characters of the name of one."""
ARGUMENTS = 4096
"""Arguments of a command."""
ARGUMENT = 128 << 10
"""Of one argument or `NAME=value`: MAX_ARG_STRLEN of execve(2)."""
COMMAND = 1 << 20
"""Of all arguments and the environment: below half of what execve(2) takes with the usual stack limit."""
PATH = 4096
DURATION = 30 * 86400
"""Longest time that a request may give for anything."""
PAGE, PAGE_DEFAULT = 1000, 100
"""Most entries of a list in one answer, and how many without a wish."""
PAGE_TOKEN = 512
PAGE_BYTES = 3 << 20
"""Of one answer with a list: clients take 4 MiB by default. An entry that is larger comes alone."""
REQUEST_ID = 256
TERMINAL = 4096
"""Rows or columns of a terminal."""


def server_options() -> list[tuple[str, int]]:
    """Return the bounds as gRPC takes them (grpc/impl/channel_arg_names.h)."""
    return [
        ("grpc.max_receive_message_length", MESSAGE),
        ("grpc.max_metadata_size", METADATA),
        ("grpc.absolute_max_metadata_size", METADATA),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.max_allowed_incoming_connections", CONNECTIONS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE * 1000),
        ("grpc.max_connection_idle_ms", IDLE * 1000),
        ("grpc.keepalive_time_ms", KEEPALIVE * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_EVERY * 1000),
        ("grpc.http2.max_ping_strikes", 5),
        # A second gateway at the same address must fail, not take every other connection.
        ("grpc.so_reuseport", 0),
    ]
