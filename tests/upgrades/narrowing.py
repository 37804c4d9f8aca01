"""Finds in a migration what may break the version before it, which still runs while the new schema is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SQL: Final = Path(__file__).resolve().parents[2] / "migrations" / "sql"

_COMMENT: Final = re.compile(r"--[^\n]*")
_BODY: Final = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_WORD: Final = r"[\w.\"{}]+"
_NARROWING: Final = (
    rf"DROP (?:TABLE|FUNCTION|PROCEDURE|TYPE|SCHEMA|VIEW|SEQUENCE|DOMAIN|ROLE|TRIGGER|RULE) (?:IF EXISTS )?{_WORD}",
    rf"DROP COLUMN (?:IF EXISTS )?{_WORD}",
    rf"RENAME (?:COLUMN |CONSTRAINT )?{_WORD} TO {_WORD}",
    rf"RENAME TO {_WORD}",
    rf"ALTER COLUMN {_WORD} SET NOT NULL",
    rf"ALTER COLUMN {_WORD} DROP DEFAULT",
    rf"ALTER COLUMN {_WORD} (?:SET DATA )?TYPE {_WORD}",
    rf"ADD COLUMN (?:IF NOT EXISTS )?{_WORD} (?:(?!DEFAULT|GENERATED)[^,;])*?NOT NULL(?!(?:(?!ADD )[^,;])*(?:DEFAULT|GENERATED))",
    rf"ADD CONSTRAINT {_WORD}",
    r"REVOKE (?:SELECT|INSERT|UPDATE|DELETE|EXECUTE|USAGE|ALL)[^;]*? FROM (?!PUBLIC)\w+",
    rf"SET SCHEMA {_WORD}",
    r"(?<=; )TRUNCATE (?:TABLE )?\w+",
)
_ANY: Final = re.compile("|".join(f"(?:{one})" for one in _NARROWING), re.IGNORECASE)


def narrowing_in(sql: str) -> Iterator[str]:
    """Each part of a migration that narrows, in one line. What stands in the body of a function happens later, not now."""
    bare = _BODY.sub("$$", _COMMENT.sub("", sql))
    flat = re.sub(r"\s+", " ", bare)
    for found in _ANY.finditer(flat):
        yield found[0]


def narrowings() -> list[tuple[str, str]]:
    """Of every migration but the first, which had nothing before it: file and part."""
    files = sorted(one for one in SQL.iterdir() if ".sql" in one.name and not one.name.startswith("0001"))
    return [(one.name, part) for one in files for part in narrowing_in(one.read_text())]
