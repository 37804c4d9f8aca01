"""Finds in a migration what may break the version before it, which still runs while the new schema is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SQL: Final = Path(__file__).resolve().parents[2] / "migrations" / "sql"
VERSIONS: Final = SQL.parent / "versions"

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
_DEMANDING: Final = (
    r"ADD (?:CHECK|UNIQUE|PRIMARY KEY|FOREIGN KEY|EXCLUDE)\b[^,;]*",
    rf"CREATE UNIQUE INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?{_WORD} ON (?:ONLY )?{_WORD}",
    rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_WORD} (?:ENABLE|FORCE) ROW LEVEL SECURITY",
    rf"CREATE POLICY {_WORD} ON {_WORD} AS RESTRICTIVE",
    rf"(?:DROP|ALTER) POLICY (?:IF EXISTS )?{_WORD} ON {_WORD}",
    rf"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER {_WORD} (?:(?! ON )[^;])* ON {_WORD}",
)
"""What narrows only where a table was in use: demands without a name, uniqueness, policies, and triggers, which may raise."""
INSTALLED: Final = "0025"
"""The newest migration of v0.1.0. What came before it was installed nowhere."""

_TABLE: Final = re.compile(rf"(?:ALTER TABLE (?:IF EXISTS )?(?:ONLY )?| ON (?:ONLY )?)({_WORD})", re.IGNORECASE)
_NARROWS: Final = re.compile("|".join(f"(?:{one})" for one in _NARROWING), re.IGNORECASE)
_DEMANDS: Final = re.compile("|".join(f"(?:{one})" for one in _DEMANDING), re.IGNORECASE)
_MADE: Final = re.compile(rf"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?({_WORD})", re.IGNORECASE)


def narrowing_in(sql: str, *, in_use: bool = True) -> Iterator[str]:
    """Each part of a migration that narrows, in one line. What stands in the body of a function happens later, not now.

    `in_use` says whether the tables may be in use; those that the migration itself makes are not.
    """
    bare = _BODY.sub("$$", _COMMENT.sub("", sql))
    flat = re.sub(r"\s+", " ", bare)
    for found in _NARROWS.finditer(flat):
        yield found[0]
    made = set(_MADE.findall(flat))
    for found in _DEMANDS.finditer(flat) if in_use else ():
        table = _TABLE.search(found[0])
        if table is None or table[1] not in made:
            yield found[0]


def narrowings() -> list[tuple[str, str]]:
    """Of every migration but the first, which had nothing before it: file and part."""
    texts = [(one.name, one.read_text()) for one in SQL.iterdir() if ".sql" in one.name]
    texts += [(one.name, sql) for one in VERSIONS.glob("[0-9]*.py") for sql in texts_in(one.read_text())]
    return [
        (name, part)
        for name, sql in sorted(texts)
        if not name.startswith("0001")
        for part in narrowing_in(sql, in_use=name[:4] > INSTALLED)
    ]


def texts_in(source: str) -> Iterator[str]:
    """Each text that stands in a program, its docstrings apart; what an f-string fills in is `{}`."""
    tree = ast.parse(source)
    apart = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            apart.update(id(part) for part in node.values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.value
