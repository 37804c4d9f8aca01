"""Names that stand more than once in one object of a JSON document. Pure.

Which of the two values counts is each reader's own choice (RFC 8259, section 4): what a proxy or a log on the way has read may
be the other one. So what says a thing twice says nothing, as I-JSON has it (RFC 7493, section 2.3).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn


class _Written(tuple[tuple[str, object], ...]):
    """An object as it is written: every pair of it."""

    __slots__ = ()


def repeated_names(document: bytes) -> Sequence[str]:
    """The pointers (RFC 6901) of what stands there more than once, each told once, in the order of the document.

    Raises ValueError for what is no JSON (RFC 8259), `NaN` and a byte order mark included, or nested beyond reading.
    """
    try:
        return list(dict.fromkeys(_repeated(_DECODER.decode(document.decode("utf-8")))))
    except RecursionError:
        raise ValueError("The document is nested too deeply.") from None


def _repeated(whole: object) -> Iterator[str]:
    todo: list[tuple[str, object]] = [("", whole)]
    while todo:
        place, one = todo.pop()
        below: list[tuple[str, object]] = []
        if isinstance(one, _Written):
            seen = set()
            for name, value in one:
                pointer = f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
                if name in seen:
                    yield pointer
                seen.add(name)
                below.append((pointer, value))
        elif isinstance(one, list):
            below = [(f"{place}/{index}", value) for index, value in enumerate(one)]
        todo += [held for held in reversed(below) if isinstance(held[1], (_Written, list))]


def _is_no_json(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON.")


# Numbers are not looked at, however long they are.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Written, parse_int=len, parse_float=len, parse_constant=_is_no_json
)
