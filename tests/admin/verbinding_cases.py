"""Who may use the routes of credentials, verbindingstesten and standen; joined into the table of every route."""

from collections.abc import Callable
from typing import Any, Final

from tests.worlds import World


def _numbered(path: str) -> Callable[[World], str]:
    """A number that nobody has."""
    return lambda _: path.replace("{nummer}", "999").replace("{test}", "999")


_READERS = {"operator": 400, "beheerder": 404, "auditor": 404, "other-beheerder": 404, "other-auditor": 404}
_CHANGERS = {"operator": 400, "beheerder": 404, "other-beheerder": 404}
_UNSEEN = {"operator": 400, "beheerder": 428, "other-beheerder": 428}
_OWN = {"operator": 400, "beheerder": 200, "auditor": 200, "other-beheerder": 200, "other-auditor": 200}
_TEST = "/v1/aansluitingen/{nummer}/verbindingstesten"
_CREDENTIAL = "/v1/credentials/{nummer}"


def _case(path: str, answers: dict[str, int], json: dict[str, Any] | None = None) -> dict[str, Any]:
    given: dict[str, Any] = {"answers": answers, "path": _numbered(path)}
    return given if json is None else given | {"json": lambda _: json}


VERBINDING_CASES: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("GET", "/v1/credentials"): {"answers": _OWN},
    ("GET", _CREDENTIAL): _case(_CREDENTIAL, _READERS),
    ("PATCH", _CREDENTIAL): _case(_CREDENTIAL, _UNSEEN, {"secretGeldigTot": "2030-01-01T00:00:00Z"}),
    ("POST", "/v1/credentials"): {
        "answers": {"beheerder": 201, "other-beheerder": 409},
        "json": lambda world: {
            "afnemerId": world.afnemer_id, "omgeving": world.environment, "clientId": "nieuw", "secret": "geheim",
        },
    },
    ("POST", f"{_CREDENTIAL}/pogingen"): _case(f"{_CREDENTIAL}/pogingen", _CHANGERS, {"aansluiting": 999}),
    **{
        ("POST", f"{_CREDENTIAL}/{what}"): _case(f"{_CREDENTIAL}/{what}", _UNSEEN, {"aansluiting": 999})
        for what in ("activering", "terugdraaiing")
    },
    ("POST", f"{_CREDENTIAL}/uitfasering"): _case(f"{_CREDENTIAL}/uitfasering", _UNSEEN),
    ("POST", _TEST): _case(_TEST, _CHANGERS, {}),
    ("GET", _TEST): _case(_TEST, _READERS),
    ("GET", f"{_TEST}/{{test}}"): _case(f"{_TEST}/{{test}}", _READERS),
    ("GET", f"{_TEST}/{{test}}/stappen"): _case(f"{_TEST}/{{test}}/stappen", _READERS),
    ("GET", "/v1/aansluitingen/{nummer}/standen"): _case("/v1/aansluitingen/{nummer}/standen", _READERS),
    ("DELETE", "/v1/aansluitingen/{nummer}/standen"): _case(
        "/v1/aansluitingen/{nummer}/standen", {"beheerder": 404, "other-beheerder": 404}
    ),
}  # fmt: skip
