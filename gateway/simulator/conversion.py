"""POST /berichten/conversie: between Teletex and UTF-8, plain and in Base64. Pure.

The form in JSON cannot be made or read here (it needs the whole Logisch Ontwerp): it is refused as a format that is not
supported, and never pretended.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from gateway.simulator import teletex
from gateway.simulator.calls import PROBLEM, Reply

_TYPE: Final = "https://www.rvig.nl/brp/berichten-api/probleem/"


@dataclass(frozen=True, slots=True)
class Form:
    name: str
    charset: str
    base64: bool


_FORMS: Final = {
    "text/plain;charset=teletex": Form("TELETEX", "teletex", base64=False),
    "text/plain+base64;charset=teletex": Form("TELETEX_BASE64", "teletex", base64=True),
    "text/plain;charset=utf-8": Form("UTF8", "utf-8", base64=False),
    "text/plain+base64;charset=utf-8": Form("UTF8_BASE64", "utf-8", base64=True),
}
_MEDIA_TYPES: Final = {form: media_type.replace(";", "; ") for media_type, form in _FORMS.items()}


def convert(headers: Mapping[str, str], body: bytes) -> Reply:  # noqa: PLR0911 - one return per check, in their order
    """Convert the body from the form of `Content-Type` to that of `Accept`."""
    if not headers.get("content-type"):
        detail = "Er is geen 'Content-Type:' header meegegeven waardoor niet bepaald kon worden wat het bronformaat is."
        return _refused(415, "BBA-CONV-F002", "Content-Type header niet aanwezig", detail)
    if not headers.get("accept"):
        detail = "Er is geen 'Accept:' header meegegeven waardoor niet bepaald kon worden wat het doelformaat is."
        return _refused(400, "BBA-CONV-F004", "Accept header niet aanwezig", detail)
    source, target = _form(headers["content-type"]), _form(headers["accept"])
    if source is None:
        title = "Ongeldig bronformaat aangevraagd in 'Content-Type' header"
        return _refused(
            415, "BBA-CONV-F003", title, "Kon bronformaat niet bepalen op basis van de 'Content-Type' header."
        )
    if target is None:
        title = "Ongeldig doelformaat aangevraagd in 'Accept' header"
        return _refused(406, "BBA-CONV-F005", title, "Kon doelformaat niet bepalen op basis van de 'Accept' header.")
    if source == target:
        detail = f"bronformaat '{source.name}' is gelijk aan doelformaat '{target.name}'"
        return _refused(400, "BBA-CONV-F001", "Bronformaat en doelformaat zijn gelijk aan elkaar", detail)
    try:
        return Reply(200, _write(_read(body, source), target), _MEDIA_TYPES[target])
    except (ValueError, binascii.Error):
        detail = "Het aangeleverde bericht kon niet ingenomen worden in het opgegeven formaat."
        return _refused(400, "BBA-CONV-F006", "Inputbericht is niet valide", detail)


def _form(value: str) -> Form | None:
    return _FORMS.get("".join(value.split()).lower())


def _read(body: bytes, form: Form) -> str:
    content = base64.b64decode(body.strip(), validate=True) if form.base64 else body
    return teletex.decode(content) if form.charset == "teletex" else content.decode()


def _write(text: str, form: Form) -> bytes:
    content = teletex.encode(text) if form.charset == "teletex" else text.encode()
    return base64.b64encode(content) if form.base64 else content


def _refused(status: int, code: str, title: str, detail: str) -> Reply:
    document = {"type": _TYPE + code, "title": title, "detail": detail, "status": status}
    return Reply(status, orjson.dumps(document), PROBLEM)
