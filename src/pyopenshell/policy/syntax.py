"""What a YAML parser says, in words for the person who wrote the file. Imported only once something is wrong."""

from __future__ import annotations

from pyopenshell.policy.problems import Problems
from pyopenshell.policy.text import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import yaml

    from pyopenshell.policy.document import Open

_NO_VALUE = "expected node content"
_NAMES = {"sequence": "list", "mapping": "mapping"}

# What libyaml and PyYAML's own parser say (a part of it), what it means, and what to do.
_MEANINGS = (
    (
        "mapping values are not allowed",
        "a ':' stands where none can be",
        "check the indentation of this line and the one above; quote a value that contains ': '",
    ),
    (
        "sequence entries are not allowed",
        "a '-' stands where none can be",
        "start the list on a new line, below its key",
    ),
    (
        "cannot start any token",
        "a value cannot begin with this character",
        "indent with spaces, not tabs; quote values that begin with @, ` or %",
    ),
    ("expected ',' or ']'", "the list opened{where} is not closed", "add a ',' or the closing ']'"),
    ("expected ',' or '}'", "the mapping opened{where} is not closed", "add a ',' or the closing '}'"),
    ("unexpected end of stream", "the quotation mark{where} is not closed", "add the closing quote"),
    ("unknown escape character", "unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes"),
    ("expected ':'", "this is not a 'key: value' line", "a key is followed by ':' and a space"),
    (
        "expected key",
        "the indentation does not fit the lines above",
        "keys of one mapping start in the same column",
    ),
    (
        "expected '-' indicator",
        "the indentation does not fit the list above",
        "items of one list start with '- ' in the same column",
    ),
    (
        "but found",
        "the indentation does not fit the lines above",
        "keys of one mapping, and items of one list, start in the same column",
    ),
    (_NO_VALUE, "a value is missing here", "remove the stray character, or quote it if it is the value"),
)


def explain(error: yaml.YAMLError, text: str, inside: Open | None, problems: Problems) -> None:
    """Note a syntax error at its line and column, in plain words. ``inside`` is the collection it was met in."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    end = place(text)
    # Parsers put what is missing at the end of the file on a line that does not exist.
    line, column = min((mark.line + 1, mark.column + 1), end) if mark else end
    said = str(getattr(error, "problem", None) or error)
    opened = getattr(error, "context_mark", None)
    where = f" on line {opened.line + 1}" if opened else ""
    if _NO_VALUE in said and (line, column) == end and inside:
        message = f"not valid YAML: the {_NAMES[inside.kind]} opened on line {inside.line} is not closed"
        problems.add(message, line, column, hint="add the closing bracket or brace")
        return
    for part, meaning, hint in _MEANINGS:
        if part in said:
            problems.add(f"not valid YAML: {meaning.format(where=where)}", line, column, hint=hint)
            return
    problems.add(f"not valid YAML: {said}", line, column)
