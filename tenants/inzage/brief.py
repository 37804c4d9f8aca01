"""Sets the letter to a citizen as a PDF that a screen reader can read (PDF/UA-1) and an archive can keep (PDF/A-2a).

The setting stands in `brief.typ`; the words in `tenants.inzage.brieftekst`. Nothing is fetched and no font of the machine is
used: the letter is the same wherever it is made.
"""

import asyncio
import json
from functools import cache
from importlib.resources import files
from typing import Any

from tenants.inzage.brieftekst import Briefhoofd, letter_of
from tenants.inzage.rapport import Rapport
from tenants.inzage.verzoek import Betrokkenen


async def write_letter(rapport: Rapport, betrokkenen: Betrokkenen, hoofd: Briefhoofd) -> bytes:
    """The letter as PDF; in a thread, because thousands of lines take a second."""
    return await asyncio.to_thread(set_letter, letter_of(rapport, betrokkenen, hoofd))


def set_letter(letter: dict[str, Any]) -> bytes:
    """Set the data of a letter."""
    # Eighty megabytes of machine code, which a process that sets no letter need not load.
    import typst  # noqa: PLC0415

    fonts = typst.Fonts(include_system_fonts=False)
    compiler = typst.Compiler(font_paths=fonts, sys_inputs={"brief": json.dumps(letter)})
    made = compiler.compile(_setting(), format="pdf", pdf_standards=["ua-1", "a-2a"])
    if not isinstance(made, bytes):
        raise TypeError("A PDF is one file.")
    return made


@cache
def _setting() -> bytes:
    return files("tenants.inzage").joinpath("brief.typ").read_bytes()
