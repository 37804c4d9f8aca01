"""Which row of the registry a part of a document is about, where a name may stand for several. Pure."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Part = TypeVar("Part")
Known = TypeVar("Known")


def pair(
    parts: Sequence[Part],
    known: Iterable[Known],
    *,
    name_of: Callable[[Part], Hashable],
    name_of_known: Callable[[Known], Hashable],
    is_same: Callable[[Part, Known], bool],
) -> list[tuple[Part, Known | None]]:
    """Each part with the row of its name, in the order of the parts; None for one that is not there yet.

    Of several with one name each part gets a row that is the same already, and what is left goes in order. So a document
    that was made of these rows finds each of them again, and nothing is taken for two.
    """
    free: dict[Hashable, list[Known]] = defaultdict(list)
    for row in known:
        free[name_of_known(row)].append(row)
    found: dict[int, Known] = {}
    for number, part in enumerate(parts):
        rows = free.get(name_of(part), [])
        at = next((index for index, row in enumerate(rows) if is_same(part, row)), None)
        if at is not None:
            found[number] = rows.pop(at)
    for number, part in enumerate(parts):
        if number not in found and (rows := free.get(name_of(part), [])):
            found[number] = rows.pop(0)
    return [(part, found.get(number)) for number, part in enumerate(parts)]
