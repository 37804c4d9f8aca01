"""Asks and decides over the admin API: what the tests of voorstellen have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenants.api.routes import ROUTES
from tenants.words.kolommen import object_of
from tests.admin.conftest import Api, Reply
from tests.worlds import World

IDP = {
    "naam": "Entra",
    "issuer": "https://idp.example/a",
    "jwksUrl": "https://idp.example/a/keys",
    "audience": "koppelpunt-beheer",
}


def routes_of(role: str) -> list[str]:
    """All that a machine's key of this role may open, deciding on voorstellen too."""
    return [route.name for route in ROUTES if role in route.roles and not route.geen_sleutel]


@dataclass(frozen=True, slots=True)
class Desk:
    """The admin API, and the tenant that everything is about."""

    api: Api
    world: World

    @property
    def here(self) -> Mapping[str, str]:
        """The header by which somebody of elsewhere names the tenant."""
        return {"Koppelpunt-Tenant": str(self.world.tenant_id)}

    async def ask(self, method: str, path: str, by: str, body: Any = None, *, version: int | None = None) -> Reply:
        """Ask about the tenant; who is of elsewhere names it. `version` is what was seen."""
        headers = dict(self.here) if by.startswith(("operator", "other")) else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        options = {} if body is None else {"json": body}
        return await self.api.ask(method, path, by=by, headers=headers, **options)

    async def propose(self, method: str, path: str, by: str, body: Any = None, *, version: int | None = None) -> int:
        reply = await self.ask(method, path, by, body, version=version)
        assert reply.status == 202, reply.text
        number: int = reply.json["voorstel"]
        assert reply.headers["Location"] == f"/v1/voorstellen/{number}"
        return number

    async def decide(self, number: int, by: str, besluit: str = "aanvaard", *, version: int = 1, **said: str) -> Reply:
        body = {"besluit": besluit, **said}
        return await self.ask("POST", f"/v1/voorstellen/{number}/besluit", by, body, version=version)

    async def voorstel(self, number: int, by: str = "beheerder") -> Any:
        reply = await self.ask("GET", f"/v1/voorstellen/{number}", by)
        assert reply.status == 200, reply.text
        return reply.json

    async def idps(self) -> list[str]:
        reply = await self.ask("GET", "/v1/beheer-idps", "beheerder")
        return [one["issuer"] for one in reply.json["beheerIdps"]]

    async def key_of(self, role: str, by: str = "beheerder", **said: Any) -> Reply:
        body = {"rol": role, "naam": f"Machine van {by}", "dagen": 1, "routes": routes_of(role), **said}
        return await self.ask("POST", "/v1/beheersleutels", by, body)

    async def history(self, name: str) -> list[tuple[str, str]]:
        """Who did what to one kind of object, oldest first."""
        reply = await self.ask("GET", "/v1/wijzigingen?aantal=200", "auditor")
        found = [(one["door"], one["actie"]) for one in reply.json["wijzigingen"] if one["object"] == object_of(name)]
        return found[::-1]
