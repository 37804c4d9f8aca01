"""The catalogue of the cases' own environment: the paths on RvIG's side, inward and outward the same. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from gateway.brp.apis import BEWONINGEN, PERSONEN, REISDOCUMENTEN, TYPES, VERBLIJFPLAATSHISTORIE
from tests.conformance.cases import Case
from tests.conformance.registering import ENVIRONMENT

_PATHS: Final = {
    "/haalcentraal/api/brp/personen": PERSONEN,
    "/haalcentraal/api/bewoning/bewoningen": BEWONINGEN,
    "/haalcentraal/api/brphistorie/verblijfplaatshistorie": VERBLIJFPLAATSHISTORIE,
    "/haalcentraal/api/reisdocumenten/reisdocumenten": REISDOCUMENTEN,
}
_HEAD: Final = f"""\
[[environments]]
name = "{ENVIRONMENT}"
kind = "productie"
base_url = "https://rvig.invalid"
token_url = "https://rvig.invalid/nidp/oauth/nam/token"
token_refused = [{{ status = 401, detail = "APIGW: client-access_token is not valid" }}]
"""
_API: Final = """
[[environments.apis]]
name = "{kind}"
kind = "{kind}"
path = "{path}"
endpoint = "brp"
pass_headers = {passed}
"""
_FIT: Final = re.compile(r"/[A-Za-z0-9/_.-]*[A-Za-z0-9]")
"""What a catalogue takes for a path; a case with another one meets a resource that does not exist."""
_PASSED: Final = {PERSONEN: '["accept-gezag-version"]'}


def catalogue_for(cases: Iterable[Case]) -> str:
    """TOML with every path of the cases that ends on the name of an API: RvIG looks at nothing else of a path."""
    asked = {case.path: case.path.rpartition("/")[2] for case in cases}
    paths = _PATHS | {path: kind for path, kind in asked.items() if kind in TYPES and _FIT.fullmatch(path)}
    return _HEAD + "".join(
        _API.format(kind=kind, path=path, passed=_PASSED.get(kind, "[]")) for path, kind in sorted(paths.items())
    )
