"""What a doelbinding is called in a letter to a citizen. Pure.

A tenant gives words to its doelbindingen (registry.doelbinding). Without them a doelbinding that is a text is that text, and
one that is a code is made readable; a bare number is never shown.
"""

import re
from collections.abc import Mapping
from typing import Final

WORDLESS: Final = "een taak die zonder omschrijving is vastgelegd"
_PREFIX: Final = re.compile(r"^[A-Z0-9]{5,}[-_]")
_SEAM: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-_]+")
_LETTER: Final = re.compile(r"[^\W\d_]{2}")


def doelbinding_in_words(doelbinding: str | None, words: Mapping[str, str]) -> str:
    """The tenant's own words, or the doelbinding itself made readable: `BRPACT-HeffenPrecariobelasting` becomes a text."""
    if doelbinding is None:
        return WORDLESS
    if doelbinding in words:
        return words[doelbinding]
    if not _LETTER.search(doelbinding):
        return WORDLESS
    if any(character.isspace() for character in doelbinding) or "/" in doelbinding:
        return doelbinding
    parts = _SEAM.split(_PREFIX.sub("", doelbinding))
    text = " ".join(part if part.isupper() else part.lower() for part in parts if part)
    return text[:1].upper() + text[1:] if _LETTER.search(text) else doelbinding
