"""What an officer does, step by step, over real HTTP."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdf

from tenants.inzage.verzoek import AMSTERDAM
from tests.admin.conftest import Api, Reply
from tests.inzage.regels import A_NUMMER, ANNA

WHY = "Verzoek om inzage 2026-14"
BRIEF = {"plaats": "Testdam", "afzender": ["Postbus 1"], "ondertekening": ["De functionaris"]}
NAAM = "Anna Şahin-Łukasz"


def today() -> date:
    """Days are those of the Netherlands."""
    return datetime.now(AMSTERDAM).date()


def now() -> str:
    return datetime.now(UTC).isoformat()


def recently() -> dict[str, str]:
    moment = datetime.now(UTC)
    return {"van": (moment - timedelta(hours=1)).isoformat(), "tot": (moment + timedelta(hours=1)).isoformat()}


def request_of(**changes: Any) -> dict[str, Any]:
    """A request of Anna herself, today, about everything."""
    whom = {
        "naam": NAAM,
        "adres": ["Dorpsstraat 1", "1234 AB Testdam"],
        "burgerservicenummer": ANNA,
        "aNummer": A_NUMMER,
    }
    return {"ontvangenOp": today().isoformat(), "betrokkene": whom, **changes}


async def record(api: Api, by: str = "auditor", **changes: Any) -> int:
    reply = await api.ask("POST", "/v1/inzageverzoeken", by=by, json=request_of(**changes))
    assert reply.status == 201, reply.text
    number: int = reply.json["nummer"]
    return number


async def take(api: Api, number: int, soort: str, by: str = "auditor", **changes: Any) -> Reply:
    body = {"soort": soort, "op": now(), **changes}
    return await api.ask("POST", f"/v1/inzageverzoeken/{number}/stappen", by=by, json=body)


async def identified(api: Api, **changes: Any) -> int:
    """A request whose identity check was recorded."""
    number = await record(api, **changes)
    taken = await take(api, number, "identiteit", wijze="Reisdocument getoond aan de balie", door="K. Bakker")
    assert taken.status == 201, taken.text
    return number


async def outcome(api: Api, number: int, vorm: str = "json", **changes: Any) -> Reply:
    body = {"reden": WHY, "vorm": vorm, **({"brief": BRIEF} if vorm == "pdf" else {}), **changes}
    return await api.ask("POST", f"/v1/inzageverzoeken/{number}/uitkomsten", by="auditor", json=body)


async def told(api: Api, number: int, **changes: Any) -> Any:
    """The outcome as JSON."""
    reply = await outcome(api, number, **changes)
    assert reply.status == 200, reply.text
    return reply.json


async def file(api: Api, number: int, vorm: str, **changes: Any) -> bytes:
    """The outcome as a file."""
    body = {"reden": WHY, "vorm": vorm, **({"brief": BRIEF} if vorm == "pdf" else {}), **changes}
    headers = {"Authorization": f"Bearer {api.keys['auditor']}"}
    url = f"{api.url}/v1/inzageverzoeken/{number}/uitkomsten"
    async with api.session.post(url, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="inzage-inz-')
        return await answer.read()


async def check(api: Api, path: str, by: str = "auditor", **body: Any) -> Reply:
    """POST about the last hour and the next, with a reason."""
    return await api.ask("POST", path, by=by, json={"reden": "Controle 3", "periode": recently(), **body})


def text_of(pdf: bytes) -> str:
    """What a letter says, without its line breaks and hyphens."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u00ad", "").split())


async def everything(api: Api, number: int) -> dict[str, str]:
    """The outcome in every form, as text."""
    return {
        "json": (await outcome(api, number)).text,
        "csv": (await file(api, number, "csv")).decode("utf-8-sig"),
        "pdf": text_of(await file(api, number, "pdf")),
    }
