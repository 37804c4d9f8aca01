"""How to ask the routes of who administers, and what each role is answered: a part of the table of `test_roles`."""

from typing import Any

BOTH = ("beheerder", "other-beheerder")
TENANTS = ("beheerder", "auditor", "other-beheerder", "other-auditor")
EVERYBODY = ("operator", *TENANTS)
IDP = {
    "naam": "Entra",
    "issuer": "https://idp.example/a",
    "jwksUrl": "https://idp.example/a/keys",
    "audience": "koppelpunt-beheer",
}


def answered(status: int, *who: str, **others: int) -> dict[str | None, int]:
    made: dict[str | None, int] = {one: status for one in who}  # noqa: C420 - keys may be None
    return made | {name: other for name, other in others.items()}  # noqa: C416


def at(path: str) -> Any:
    """A number that nobody has."""
    return lambda _: path.format(nummer=999_999)


def said(body: dict[str, Any]) -> Any:
    return lambda _: body


def resource(
    name: str, body: dict[str, Any], made: dict[str | None, int], ends: tuple[str, ...]
) -> dict[tuple[str, str], dict[str, Any]]:
    one = f"/v1/{name}/{{nummer}}"
    return {
        ("GET", f"/v1/{name}"): {"answers": answered(200, *EVERYBODY)},
        ("POST", f"/v1/{name}"): {"answers": made, "json": said(body)},
        ("GET", one): {"answers": answered(404, *EVERYBODY), "path": at(one)},
        # Without the version that was seen nothing is ended.
        ("DELETE", one): {"answers": answered(428, *ends), "path": at(one)},
    }


VOORSTEL = "/v1/voorstellen/{nummer}"
BEHEER_CASES: dict[tuple[str, str], dict[str, Any]] = {
    # The operator names its own people, and for those this role does not fit; of a tenant it only proposes.
    **resource(
        "beheerders",
        {"idp": 999_999, "kenmerk": "j.jansen", "rol": "beheerder", "naam": "J. Jansen"},
        answered(409, *BOTH, operator=400),
        EVERYBODY,
    ),
    **resource(
        "beheersleutels",
        {"rol": "beheerder", "naam": "Machine", "dagen": 1, "routes": ["tenants"]},
        answered(201, *BOTH, operator=400),
        EVERYBODY,
    ),
    **resource("beheer-idps", IDP, answered(201, *BOTH, "operator"), ("operator", *BOTH)),
    **resource(
        "beheermandaten",
        {"reden": "Storingsdienst", "geldigTot": "2027-06-01T00:00:00Z"},
        answered(201, *BOTH, operator=400),
        BOTH,
    ),
    ("GET", "/v1/voorstellen"): {"answers": answered(200, *TENANTS, operator=400)},
    ("GET", VOORSTEL): {"answers": answered(404, *TENANTS, operator=400), "path": at(VOORSTEL)},
    ("DELETE", VOORSTEL): {"answers": answered(428, *BOTH, operator=400), "path": at(VOORSTEL)},
    ("POST", f"{VOORSTEL}/besluit"): {
        "answers": answered(428, *TENANTS),
        "path": at(f"{VOORSTEL}/besluit"),
        "json": said({"besluit": "aanvaard"}),
    },
    ("POST", "/v1/machtigingen/{nummer}/registerbeleid"): {
        "answers": answered(428, *BOTH),
        "path": at("/v1/machtigingen/{nummer}/registerbeleid"),
        "json": said({"reden": "Besluit"}),
    },
}
