"""Reads what a request says: its body, its parameters, and the version that it has seen.

What is wrong with what it says is gathered, and told at once.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from tenants.api.problems import Refused, fault, faults_of
from tenants.api.repeated_names import repeated_names
from tenants.api.shapes import Fout

BODY_LIMIT: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
_ETAG: Final = re.compile(r'"([1-9][0-9]{0,9})"')


def read_version(request: Request) -> int:
    """The version in If-Match. Raises Refused: 428 without one, 412 for what no version is (weak tags and * included)."""
    given = request.headers.get("if-match")
    if given is None:
        raise Refused(
            428, "versieOntbreekt", "Noem in If-Match de ETag van wat je wilt veranderen, zoals je die las met GET."
        )
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        raise Refused(
            412, "andereVersie", "De ETag in If-Match is er geen van dit adres: één, tussen aanhalingstekens."
        )
    return int(found[1])


async def read_body(request: Request) -> bytes:
    """The body of a JSON request. Raises Refused: 415, 413, 408."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or parameters.strip().lower() not in {"", "charset=utf-8"}:
        raise Refused(415, "geenJson", "Stuur het verzoek als application/json in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "gecodeerd", "Stuur het verzoek zonder Content-Encoding.")
    text = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                text += chunk
                if len(text) > BODY_LIMIT:
                    raise Refused(413, "teGroot", f"Het verzoek mag hoogstens {BODY_LIMIT} bytes zijn.")
    except TimeoutError:
        raise Refused(408, "teTraag", f"Het verzoek kwam niet binnen {BODY_SECONDS:g} seconden.") from None
    return bytes(text)


def parse_body(text: bytes, shape: type[BaseModel], faults: list[Fout]) -> BaseModel | None:
    """A body by its shape, in which everything is said once. Adds what is wrong with it to `faults`; None then."""
    found = []
    try:
        made = shape.model_validate_json(text)
    except ValidationError as error:
        made, found = None, faults_of(error, "body")
    try:
        twice = repeated_names(text)
    except ValueError:
        # The second reader knows less: what only the first one takes is no JSON either.
        twice, found = (), found or [fault("body", "", "json_invalid", "Dit is geen geldige JSON.")]
    found += [fault("body", pointer, "twice", "Dit gegeven staat er meer dan eens.") for pointer in twice]
    faults += found
    return None if found else made


def read_query(request: Request, shape: type[BaseModel] | None, faults: list[Fout]) -> BaseModel | None:
    """The parameters by their shape. Adds to `faults` what is twice, unknown, or of another form; None then."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    found = [
        fault("query", name, "twice", "Deze parameter staat er meer dan eens.")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    made = None
    try:
        made = (shape or _Nothing).model_validate(dict(given))
    except ValidationError as error:
        found += faults_of(error, "query")
    faults += found
    return None if found or shape is None else made


def refuse(faults: Sequence[Fout]) -> None:
    """Raise Refused (400) with every fault, if there is any."""
    if faults:
        raise Refused(400, "ongeldigVerzoek", "Het verzoek klopt niet; 'errors' zegt wat en waar.", faults=faults)


class _Nothing(BaseModel):
    """The parameters of an address that has none."""

    model_config = ConfigDict(extra="forbid")
