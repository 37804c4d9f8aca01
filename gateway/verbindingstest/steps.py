"""What one step of a verbindingstest says: how it went, what was seen, who must act. Pure.

What RvIG, a proxy or a certificate says is foreign text: only words of harmless characters are shown of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Name = Literal["gegevens", "naam", "tcp", "servercertificaat", "clientcertificaat", "token", "claims", "probe"]
Result = Literal["goed", "let_op", "fout", "overgeslagen"]
Who = Literal["niemand", "tenant", "operator", "rvig", "leverancier"]

FRONTDESK = "Meld dit bij de frontdesk van RvIG (088 900 1000, info@rvig.nl)."
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:/*=()_-]{0,119}")
_LONG_NUMBER = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `seen` are facts for a machine, in camelCase; `detail` one or two sentences for whoever must act."""

    name: Name
    result: Result
    who: Who
    detail: str
    seen: Mapping[str, Any] = field(default_factory=dict)
    milliseconds: int = 0

    @property
    def stops(self) -> bool:
        """Whether nothing after it makes sense."""
        return self.result == "fout"


def good(name: Name, detail: str, **seen: Any) -> Step:
    return Step(name, "goed", "niemand", detail, seen)


def wrong(name: Name, who: Who, detail: str, **seen: Any) -> Step:
    return Step(name, "fout", who, detail, seen)


def careful(name: Name, who: Who, detail: str, **seen: Any) -> Step:
    return Step(name, "let_op", who, detail, seen)


def skipped(name: Name, **seen: Any) -> Step:
    return Step(name, "overgeslagen", "niemand", "Niet gedaan, omdat een eerdere stap niet goed ging.", seen)


def word_of(value: Any) -> str | None:
    """A foreign word that may be shown: short and plain, and nothing that could be a burgerservicenummer."""
    if isinstance(value, str) and _WORD.fullmatch(value) and not _LONG_NUMBER.search(value):
        return value
    return None
