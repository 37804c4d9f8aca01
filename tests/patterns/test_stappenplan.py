"""Which steps an aansluiting takes depends on what it is; what the registry says goes before what was ticked."""

import dataclasses
from datetime import date

import pytest

from tenants.model import AfnemerId, Oin
from tenants.pattern_facts import PatternFacts
from tenants.stappenplan import STAPPEN, Gezet, applying, missing, plan, stops_productie

OIN = Oin("00000003000000077000")
DERDE = PatternFacts(
    1, 1, "saas", "productie", AfnemerId("995001"), OIN, "derde", OIN, "derde", OIN, products=frozenset({"gezag"})
)
GEMEENTE = dataclasses.replace(DERDE, organisation_kind="gemeente", tenant_kind="gemeente", pattern="standaard")


@pytest.mark.parametrize(
    ("facts", "kind", "without"),
    [
        (DERDE, "productie", set()),
        (dataclasses.replace(DERDE, products=frozenset()), "productie", {"convenant"}),
        (dataclasses.replace(DERDE, pattern="delegatie"), "productie", {"contract", "verwerkersovereenkomst"}),
        (GEMEENTE, "productie", {"autorisatiebesluit", "convenant", "contract", "verwerkersovereenkomst"}),
        (DERDE, "proef", {"proef_getest", "productie_akkoord", "contacten", "controlebestemming"}),
    ],
)
def test_a_step_that_does_not_apply_is_not_asked(facts, kind, without):
    assert applying(facts, kind) == STAPPEN.keys() - without


def test_steps_come_in_their_order_and_the_registry_goes_before_a_tick():
    derived = {"proef_getest": Gezet(date(2026, 5, 1), "beheerder/1", derived=True)}
    ticked = {
        name: Gezet(date(2026, 4, 1), "beheerder/2", derived=False) for name in ("proef_getest", "productie_akkoord")
    }
    steps = plan(["productie_akkoord", "proef_getest", "contacten"], derived, ticked)
    assert [(one.name, one.done and one.done.derived) for one in steps] == [
        ("proef_getest", True), ("contacten", None), ("productie_akkoord", False),
    ]  # fmt: skip
    assert steps[0].words == "De aansluiting is in de proefomgeving getest."
    assert [one.words for one in missing(steps)] == [
        "Nog niet vastgelegd: technisch contact, FG en contact voor noodgevallen zijn vastgelegd."
    ]


def test_productie_waits_for_everything_that_is_not_looked_at_elsewhere():
    waits = {one.name for one in stops_productie(plan(STAPPEN, {}, {}))}
    assert STAPPEN.keys() - waits == {"contract", "verwerkersovereenkomst", "certificaat", "controlebestemming"}
