"""Reads what a request says: its body, its parameters, and the version that it has seen."""

import asyncio
import re
from typing import Final

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from tenants.api.problems import Refused, fault, unreadable

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


def parse_body(text: bytes, shape: type[BaseModel]) -> BaseModel:
    """A body by its shape. Raises Refused (400) with every fault."""
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        raise unreadable(error, "body") from None


def read_query(request: Request, shape: type[BaseModel] | None) -> BaseModel | None:
    """The parameters by their shape. Raises Refused (400): twice, unknown, or of another form."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults = [fault("query", name, "twice", "Deze parameter staat er meer dan eens.") for name in twice]
        raise Refused(400, "ongeldigVerzoek", "Het verzoek klopt niet; 'errors' zegt wat en waar.", faults=faults)
    if shape is None:
        if given:
            faults = [fault("query", name, "extra_forbidden", "Deze parameter is onbekend.") for name in names]
            raise Refused(400, "ongeldigVerzoek", "Dit adres heeft geen parameters.", faults=faults)
        return None
    try:
        return shape.model_validate(dict(given))
    except ValidationError as error:
        raise unreadable(error, "query") from None
