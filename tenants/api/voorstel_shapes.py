"""The shapes of voorstellen: what was asked, who may decide, and what was decided."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from tenants.api.resources import Regel
from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape

Staat = Literal["open", "aanvaard", "geweigerd", "ingetrokken", "verlopen"]


class VoorstellenVraag(QueryShape):
    """Newest first."""

    staat: Staat | None = Field(default=None, description="Alleen wat zo staat.")
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen voorstellen met een lager nummer.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


class Verzoek(Shape):
    """The request that would be done, as it was made."""

    operatie: str
    methode: Literal["POST", "PUT", "PATCH", "DELETE"]
    pad: str
    inhoud: Any = Field(description="De inhoud van het verzoek; null zonder.")
    versie: int | None = Field(description="De versie die de voorsteller zag (If-Match).")


class Voorstel(Shape):
    """A voorstel. It lapses by itself on `geldigTot`."""

    nummer: int
    staat: Staat
    aanvaarder: Literal["beheerder", "auditor"]
    verzoek: Verzoek
    voorgesteld_door: str
    voorgesteld_op: AwareDatetime
    geldig_tot: AwareDatetime
    besloten_door: str | None
    besloten_op: AwareDatetime | None
    reden: str | None
    artikel: str | None
    uitkomst: dict[str, Any] | None = Field(description="Wat het uitvoeren opleverde: status en adres.")


class Voorstellen(Shape):
    voorstellen: list[Voorstel]
    volgende: int | None


class NieuwBesluit(Shape):
    """A decision. `artikel` is what allows it: obligatory when an auditor lets the register be weakened."""

    besluit: Literal["aanvaard", "geweigerd"]
    reden: Reden | None = None
    artikel: Regel | None = None


class Besluit(Shape):
    """A voorstel that was decided on. `antwoord` is what the request answered, with a secret that is shown this once."""

    voorstel: Voorstel
    antwoord: Any = None


class RegisterbeleidVraag(Shape):
    """Ask that a machtiging may leave out of the register what it says (Besluit BRP 42 or 46)."""

    reden: Reden
