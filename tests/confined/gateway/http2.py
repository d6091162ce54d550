"""HTTP/2 by hand (RFC 9113, RFC 7541), as no library would send it."""

import random
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b"", length=None):
    """A frame, which may lie about its length."""
    size = struct.pack(">I", len(payload) if length is None else length)[1:]
    return size + bytes([kind, flags]) + struct.pack(">I", stream) + payload


START = PREFACE + frame(SETTINGS, 0, 0)


def number(value, bits, first=0):
    """An integer of HPACK in a prefix of so many bits."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    rest, value = [first | most], value - most
    while value >= 128:
        rest.append(value % 128 + 128)
        value //= 128
    return bytes([*rest, value])


def header(name, value, first=0):
    """A header that stands for itself; ``first`` 0x40 puts it into the other side's table."""
    return bytes([first]) + b"".join(number(len(part), 7) + part for part in (name.encode(), value.encode()))


def call(path="/test.Tiny/Echo", **more):
    """The headers of a gRPC call."""
    usual = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost", "te": "trailers"}
    usual |= {"content-type": "application/grpc"} | more
    return b"".join(header(name.replace("_", "-"), value) for name, value in usual.items())


def opened(stream=1, **more):
    """A call that begins, and has not sent its message."""
    return frame(HEADERS, END_HEADERS, stream, call(**more))


def many(make, count=3000):
    """The same for many streams of one connection."""
    return b"".join(make(2 * index + 1) for index in range(count))


GARBAGE = random.Random(7).randbytes(50_000)
ATTACKS = {
    "nothing": b"",
    "zeros": bytes(50_000),
    "garbage": GARBAGE,
    "http 1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "half a preface": PREFACE[:10],
    "garbage after the preface": START + GARBAGE,
    "garbage as headers": START + frame(HEADERS, END_HEADERS, 1, GARBAGE[:16_000]),
    "a frame of 16 MiB": START + frame(DATA, 0, 1, b"", length=(1 << 24) - 1) + bytes(50_000),
    "headers on stream 0": START + frame(HEADERS, END_HEADERS, 0, call()),
    "data on a stream that is not open": START + frame(DATA, 0, 7, b"x"),
    "an even stream": START + frame(HEADERS, END_HEADERS, 2, call()),
    "headers without an end": START
    + frame(HEADERS, 0, 1, call())
    + frame(CONTINUATION, 0, 1, header("x-a", "b" * 100) * 100) * 200,
    "too many headers": START + frame(HEADERS, END_HEADERS, 1, call() + header("x-a", "b") * 3000),
    # one header is put into the table, then named by its number: a byte for each 4,000 (an HPACK bomb)
    "headers that unfold": START
    + frame(HEADERS, END_HEADERS, 1, call() + header("x-a", "b" * 4000, 0x40) + b"\xbe" * 12_000),
    "a table of 4 GiB": START + frame(HEADERS, END_HEADERS, 1, number((1 << 32) - 1, 5, 0x20) + call()),
    "half a message": START + opened() + frame(DATA, END_STREAM, 1, b"\0\0\0\0\x64short"),
    "a message of 4 GiB": START + opened() + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff" + bytes(1000)),
    "compressed by nothing": START + opened() + frame(DATA, END_STREAM, 1, b"\1\0\0\0\5abcde"),
    "compressed garbage": START + opened(grpc_encoding="gzip") + frame(DATA, END_STREAM, 1, b"\1\0\0\0\5abcde"),
    "a path that is none": START + opened(path="../\x01\xff") + frame(DATA, END_STREAM, 1, b"\0\0\0\0\0"),
    "a timeout that is none": START + opened(grpc_timeout="99999999999H") + frame(DATA, END_STREAM, 1, bytes(5)),
    "calls that stay open": START + many(opened),
    "calls that are reset": START + many(lambda stream: opened(stream) + frame(RST_STREAM, 0, stream, bytes(4))),
    "pings": START + frame(PING, 0, 0, bytes(8)) * 5000,
    "settings": START + frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 5000,
    "settings that are not allowed": START + frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff\0\5\0\0\0\1"),
    "a window of no size": PREFACE + frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0") + opened() + frame(DATA, 1, 1, bytes(5)),
}
"""What a client may send that means no good."""
