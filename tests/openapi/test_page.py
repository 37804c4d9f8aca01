"""The page of the admin API names what the API serves: every collection of its document."""

import re
from pathlib import Path

from tenants.api.openapi import make_openapi
from tenants.api.routes import ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "admin-api.md").read_text(encoding="utf-8")
NOBODY = {"name": "Beheer", "url": "https://example.nl", "email": "beheer@example.nl"}


def test_the_page_names_every_collection_and_no_other():
    served = {path.split("/")[1] for path in make_openapi(ROUTES, NOBODY)["paths"]} | {"openapi.json"}
    named = set(re.findall(r"/v1/([a-z.-]+)", PAGE))
    assert sorted(served - named) == []
    assert sorted(named - served) == []
