"""The stappenplan of an aansluiting: the steps of RvIG's brochure, each with its day and who took it. Pure.

A step is *derived* when the registry itself says that it was taken (then that says when and by whom), and else it is
*ticked* by the tenant's beheerder. Which steps there are depends on what the aansluiting is; the others do not apply.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from tenants.pattern_facts import PatternFacts
from tenants.patterns import PROCESSOR_PATTERNS


@dataclass(frozen=True, slots=True)
class Soort:
    """A step: what it says when it is done, and who must act. `ticked`: the beheerder may say that it is.

    `stops`: productie waits for it here. What productie waits for elsewhere (`tenants.aansluiting_changes`) is not told twice.
    """

    words: str
    who: str
    ticked: bool = False
    stops: bool = True


STAPPEN: Final[Mapping[str, Soort]] = {
    "autorisatiebesluit": Soort("het autorisatiebesluit van de minister is ontvangen en vastgelegd", "tenant", ticked=True),
    "contract": Soort("het contract met de leverancier is vastgelegd", "tenant", stops=False),
    "verwerkersovereenkomst": Soort("de verwerkersovereenkomst is getekend en vastgelegd", "tenant", stops=False),
    "convenant": Soort("het convenant voor informatievragen is getekend en vastgelegd", "tenant"),
    "certificaat": Soort("het certificaat is binnen en aan de aansluiting gegeven", "tenant", stops=False),
    "certificaat_naar_rvig": Soort("het certificaat is aan RvIG gestuurd", "tenant", ticked=True),
    "inloggegevens_ontvangen": Soort("client-ID en geheim van RvIG zijn ontvangen", "rvig", ticked=True),
    "proef_getest": Soort("de aansluiting is in de proefomgeving getest", "tenant", ticked=True),
    "controlebestemming": Soort("er is een bestemming voor de controlepunten van het register", "tenant", stops=False),
    "contacten": Soort("technisch contact, FG en contact voor noodgevallen zijn vastgelegd", "tenant"),
    "productie_akkoord": Soort("RvIG is akkoord met productie", "rvig", ticked=True),
}  # fmt: skip
"""In the order in which a municipality meets them."""
_PRODUCTIE: Final = frozenset({"productie_akkoord", "proef_getest", "contacten", "controlebestemming"})
"""What an aansluiting of a proefomgeving does not need."""


@dataclass(frozen=True, slots=True)
class Gezet:
    """When a step was taken, a day in the Netherlands, and by whom the history says so. `note` is the beheerder's."""

    on: date
    by: str | None
    derived: bool
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Stap:
    """One step of one aansluiting; `done` is None as long as it is not taken."""

    name: str
    done: Gezet | None

    @property
    def words(self) -> str:
        """What is done, or what is missing."""
        said = STAPPEN[self.name].words
        return f"Nog niet vastgelegd: {said}." if self.done is None else f"{said[0].upper()}{said[1:]}."


def applying(facts: PatternFacts, environment_kind: str) -> frozenset[str]:
    """The steps that this aansluiting has to take. A gemeente needs no autorisatiebesluit and no convenant (Wet BRP 3.2)."""
    names = set(STAPPEN)
    if environment_kind != "productie":
        names -= _PRODUCTIE
    if facts.is_gemeente:
        names -= {"autorisatiebesluit", "convenant"}
    if not facts.products:
        names.discard("convenant")
    if facts.pattern not in PROCESSOR_PATTERNS:
        names -= {"contract", "verwerkersovereenkomst"}
    return frozenset(names)


def plan(names: Iterable[str], derived: Mapping[str, Gezet], ticked: Mapping[str, Gezet]) -> tuple[Stap, ...]:
    """The steps in their order. What the registry says goes before what was ticked."""
    wanted = frozenset(names)
    return tuple(Stap(name, derived.get(name) or ticked.get(name)) for name in STAPPEN if name in wanted)


def missing(steps: Iterable[Stap]) -> tuple[Stap, ...]:
    return tuple(one for one in steps if one.done is None)


def stops_productie(steps: Iterable[Stap]) -> tuple[Stap, ...]:
    """The missing steps for which productie waits."""
    return tuple(one for one in missing(steps) if STAPPEN[one.name].stops)
