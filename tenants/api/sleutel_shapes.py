"""The shapes of keys: what a taaksysteem proves itself with. A secret stands in the answer that makes it, and never again."""

from typing import Annotated, Any, Literal, cast

from pydantic import AwareDatetime, Field, field_validator, model_validator

from tenants.api.resources import Nummer, Oin, Regel, Verandering
from tenants.api.shapes import Shape
from tenants.caller_keys import check_public_keys
from tenants.faults import InputRefused
from tenants.written import Moment

Vingerafdruk = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ClientId = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


def readable_keys(jwks: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is no set of usable public keys. The text shows nothing of it."""
    try:
        check_public_keys(jwks)
    except InputRefused:
        raise ValueError(
            "Dit is geen JWK Set van 1 tot 5 openbare sleutels (RSA vanaf 2048 bits, P-256, P-384 of P-521), elk met een "
            "eigen kid. Een privésleutel hoort hier nooit: staat die erin, maak dan een nieuw paar."
        ) from None
    return jwks


class Vervanging(Shape):
    """The key that the new one takes the place of, and until when both open."""

    sleutel: Nummer
    tot: Moment


class NieuweSleutel(Shape):
    """A key of a taaksysteem. What belongs to another kind of key is refused.

    `api-sleutel` and `gateway-client` get a secret, `ondertekenende-client` gives its public keys (private_key_jwt),
    `idp-client` is a client of a registered IDP, `certificaat` is named by its fingerprint or by its OIN.
    """

    soort: Literal["api-sleutel", "gateway-client", "ondertekenende-client", "idp-client", "certificaat"]
    geldig_tot: Moment | None = None
    vervangt: Vervanging | None = None
    client_id: ClientId | None = None
    jwks: dict[str, Any] | None = None
    idp: Nummer | None = None
    idp_client: Regel | None = None
    vingerafdruk: Vingerafdruk | None = None
    oin: Oin | None = None

    @field_validator("jwks")
    @classmethod
    def _readable(cls, jwks: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if jwks is None else readable_keys(jwks)

    @model_validator(mode="after")
    def _of_its_kind(self) -> "NieuweSleutel":
        needed = {"ondertekenende-client": {"jwks"}, "idp-client": {"idp", "idp_client"}}.get(self.soort, set())
        possible = needed | {"gateway-client": {"client_id"}, "ondertekenende-client": {"client_id"}}.get(
            self.soort, set()
        )
        if self.soort == "certificaat":
            possible = {"vingerafdruk", "oin"}
            if (self.vingerafdruk is None) == (self.oin is None):
                raise ValueError("Een certificaat is genoemd met zijn vingerafdruk of zijn OIN, één van beide.")
        others = {"client_id", "jwks", "idp", "idp_client", "vingerafdruk", "oin"} - possible
        if wrong := sorted(name for name in others if getattr(self, name) is not None):
            raise ValueError(f"Dit hoort niet bij deze soort sleutel: {', '.join(wrong)}.")
        if absent := sorted(name for name in needed if getattr(self, name) is None):
            raise ValueError(f"Dit hoort bij deze soort sleutel: {', '.join(absent)}.")
        return self


class SleutelVerandering(Verandering):
    """When a key ends; and, of an ondertekenende-client, its public keys (the new beside the old, then alone)."""

    geldig_tot: Moment | None = None
    jwks: dict[str, Any] = Field(default=cast("Any", None))

    @field_validator("jwks")
    @classmethod
    def _readable(cls, jwks: dict[str, Any]) -> dict[str, Any]:
        return readable_keys(jwks)


class Sleutel(Shape):
    """A key, without its secret."""

    nummer: int
    soort: Literal["api-sleutel", "gateway-client", "ondertekenende-client", "idp-client", "certificaat"]
    toestand: Literal["actief", "ingetrokken"]
    geldig_van: AwareDatetime | None
    geldig_tot: AwareDatetime | None
    client_id: str | None
    jwks: dict[str, Any] | None
    idp: int | None
    idp_client: str | None
    vingerafdruk: str | None
    oin: str | None


class GemaakteSleutel(Sleutel):
    """A key that was just made. `geheim` is shown this once."""

    geheim: str | None = Field(repr=False)


class Sleutels(Shape):
    """A page; `volgende` is the number to go on from."""

    sleutels: list[Sleutel]
    volgende: int | None
