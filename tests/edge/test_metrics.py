"""What the gateway shows of what it keeps: read at the scrape, and true at that moment."""

from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest

from gateway.brp.problems import ProblemShape
from gateway.errors import (
    AsRvig,
    Blocked,
    IdentityUnavailable,
    KoppelpuntError,
    Malformed,
    NotAuthenticated,
    NotPermitted,
    RegisterUnavailable,
    TokenRefused,
    TokenUnavailable,
    TooMany,
    UpstreamUnavailable,
)
from gateway.metrics import make_metrics
from gateway.outcome import is_security_event, outcome_of
from gateway.places import Places
from gateway.problems import render, status_of
from gateway.registry_reader import RegistryReader
from gateway.showing import show_registry
from gateway.snapshot import Snapshot, TenantPart
from tenants.model import Blokkade, TenantKey
from tests import values

FORBIDDEN = AsRvig(ProblemShape(403, "U bent niet geautoriseerd.", "urn:x", code="unauthorizedField"))
FAULTY = AsRvig(ProblemShape(400, "De bevraging bevat een fout.", "urn:x", code="paramsValidation"))


def test_what_the_token_cache_tells_is_a_request_of_a_tenant_or_a_security_event():
    metrics = make_metrics()
    for event in ("tokenIssued", "tokenFailed", "tokenFailed", "gemeentecodeBijNietGemeente"):
        metrics.note_token(event, 7)
    text = generate_latest(metrics.registry).decode()
    assert 'koppelpunt_token_requests_total{outcome="gelukt",tenant="7"} 1.0' in text
    assert 'koppelpunt_token_requests_total{outcome="mislukt",tenant="7"} 2.0' in text
    assert 'koppelpunt_security_events_total{event="gemeentecodeBijNietGemeente"} 1.0' in text
    assert 'event="tokenIssued"' not in text


def test_a_count_that_is_kept_elsewhere_is_read_at_each_scrape():
    metrics, kept = make_metrics(), [3]
    metrics.count_each("koppelpunt_x", "X", "register", {"productie": lambda: kept[0]})
    assert b'koppelpunt_x_total{register="productie"} 3.0' in generate_latest(metrics.registry)
    kept[0] = 4
    assert b'koppelpunt_x_total{register="productie"} 4.0' in generate_latest(metrics.registry)


def test_tenants_whose_register_has_no_key_and_blocks_are_counted():
    async def never() -> None:
        raise AssertionError

    metrics, snapshot = make_metrics(), Snapshot()
    keys = (TenantKey(2, 2026, b"", b""),)
    snapshot.replace_tenant(1, TenantPart(values.tenant(1)))
    snapshot.replace_tenant(2, TenantPart(values.tenant(2), keys))
    snapshot.blokkades = frozenset({Blokkade("afnemer", "000001"), Blokkade("afnemer", "000002")})
    show_registry(metrics, RegistryReader(never, snapshot), snapshot, lambda: datetime(2026, 12, 1, tzinfo=UTC))
    text = generate_latest(metrics.registry).decode()
    assert 'koppelpunt_tenants_without_key{year="current"} 1.0' in text
    assert 'koppelpunt_tenants_without_key{year="next"} 2.0' in text
    assert 'koppelpunt_blocks{kind="afnemer"} 2.0' in text
    assert 'koppelpunt_blocks{kind="oin"} 0.0' in text
    snapshot.replace_tenant(1, None)
    assert 'koppelpunt_tenants_without_key{year="current"} 0.0' in generate_latest(metrics.registry).decode()


async def test_places_tell_who_runs_and_what_is_interrupted():
    places = Places()
    assert places.standing() == {"running": 0, "waiting": 0, "interrupted": 0}
    async with places.reserve((1, 1), 2), places.reserve((1, 1), 2):
        assert places.standing()["running"] == 2
    for _ in range(5):
        places.note((1, 2), reached=False)
    assert places.standing() == {"running": 0, "waiting": 0, "interrupted": 1}


@pytest.mark.parametrize(
    ("error", "outcome", "is_security"),
    [
        (Malformed("x", ""), "geweigerd", False),
        (NotAuthenticated("authentication", ""), "geweigerd", False),
        (NotPermitted("x", ""), "geweigerd", True),
        (FORBIDDEN, "geweigerd", True),
        (FAULTY, "geweigerd", False),
        (TooMany("x", ""), "geweigerd", False),
        (Blocked("geblokkeerd", ""), "geweigerd", True),
        (IdentityUnavailable("x", ""), "mislukt", True),
        (TokenRefused("tokenTegenstrijdig", ""), "mislukt", True),
        (TokenUnavailable("x", ""), "mislukt", False),
        (UpstreamUnavailable("geenAntwoord", "", sent=True), "mislukt", False),
        (RegisterUnavailable("registerOnbereikbaar", ""), "mislukt", False),
        (RegisterUnavailable("uitkomstOnbekend", "", sent=True), "onbekend", False),
    ],
    ids=lambda value: value.code if isinstance(value, KoppelpuntError) else None,
)
def test_each_refusal_has_its_word_its_status_and_its_place_in_the_security_log(error, outcome, is_security):
    assert outcome_of(error) == outcome
    assert is_security_event(error) is is_security
    # The line says the status that the caller gets.
    assert status_of(error) == render(error, instance="/", transaction_id=values.bevraging().id).status
