"""Text that a sandbox sent, made fit for a terminal."""

from __future__ import annotations


def printable(text: str, limit: int = 65536) -> str:
    """Return the text with every control character but newline and tab written out, and cut in the middle.

    Escape sequences move cursors, answer as if typed and rename windows; the invisible ones reorder what is read.
    """
    if len(text) > limit:
        text = f"{text[: limit // 2]}\n… {len(text) - limit:,} characters left out …\n{text[-limit // 2 :]}"
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)
