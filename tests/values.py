"""Values of the registry that are valid by default; a test bends one thing with `dataclasses.replace`."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.brp.question import Question
from gateway.call import Bevraging, Caller
from gateway.catalogue import Catalogue, read_catalogue
from gateway.snapshot import Snapshot, TenantPart
from tenants.model import (
    Aansluiting,
    AfnemerId,
    ApiRight,
    Certificate,
    Credential,
    Machtiging,
    Mandate,
    Oin,
    Taaksysteem,
    TaaksysteemKey,
    Tenant,
)
from tenants.pattern_facts import PatternFacts

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START = NOW - timedelta(days=30)
END = NOW + timedelta(days=300)
CATALOGUE: Catalogue = read_catalogue()


def oin(number: int) -> Oin:
    return Oin(f"00000001{number:09d}000")


def tenant(number: int = 1, *, kind: str = "gemeente") -> Tenant:
    return Tenant(number, oin(number), f"Gemeente {number}", kind, "whole", "active", 1)


def certificate(number: int = 1) -> Certificate:
    return Certificate(
        tenant_id=number,
        certificate_id=number,
        oin=oin(number),
        fingerprint=number.to_bytes(32, "big"),
        chain_pem="",
        key_sealed=b"",
        not_before=START,
        not_after=END,
        state="active",
    )


def aansluiting(number: int = 1, *, environment: str = "productie") -> Aansluiting:
    return Aansluiting(
        tenant_id=number,
        aansluiting_id=number,
        version=1,
        afnemer_id=AfnemerId(f"{number:06d}"),
        organisation_oin=oin(number),
        gemeentecode=f"{number:04d}",
        mailbox_id=None,
        environment=environment,
        pattern="standaard",
        state=environment,
        certificate=certificate(number),
        credential=Credential(number, number, f"client-{number}", b"", "body", "active", 1),
        scope_template=None,
        resource_server=None,
        valid_from=START,
        valid_until=END,
    )


def taaksysteem(number: int = 1, *, environment: str = "productie", fixed: bool = True) -> Taaksysteem:
    return Taaksysteem(
        number, number, 1, f"Taaksysteem {number}", environment, "active", (number, number) if fixed else None
    )


def machtiging(number: int = 1, *, of: Taaksysteem | None = None, mandate: Mandate | None = None) -> Machtiging:
    caller = of or taaksysteem(number)
    return Machtiging(
        tenant_id=number,
        machtiging_id=number,
        version=1,
        aansluiting_id=number,
        taaksysteem_tenant_id=caller.tenant_id,
        taaksysteem_id=caller.taaksysteem_id,
        mandate=mandate,
        doelbinding="burgerzaken",
        rights={"personen": ApiRight()},
        valid_from=START,
        valid_until=END,
        withdrawn_at=None,
    )


def mandate(number: int, to: int) -> Mandate:
    return Mandate(number, number, to, START, END, None, 1)


def snapshot(*parts: TenantPart) -> Snapshot:
    made = Snapshot()
    for part in parts:
        made.replace_tenant(part.tenant.tenant_id, part)
    return made


def part(number: int = 1, *machtigingen: Machtiging, calling: Taaksysteem | None = None) -> TenantPart:
    return TenantPart(
        tenant=tenant(number),
        aansluitingen=(aansluiting(number),),
        taaksystemen=(calling or taaksysteem(number),),
        machtigingen=machtigingen,
        pattern_facts=(pattern_facts(number),),
    )


def pattern_facts(number: int = 1) -> PatternFacts:
    return PatternFacts(
        tenant_id=number,
        aansluiting_id=number,
        pattern="standaard",
        environment="productie",
        afnemer_id=AfnemerId(f"{number:06d}"),
        organisation_oin=oin(number),
        organisation_kind="gemeente",
        tenant_oin=oin(number),
        tenant_kind="gemeente",
        certificate_oin=oin(number),
    )


def key(number: int = 1) -> TaaksysteemKey:
    return TaaksysteemKey(
        number, number, number, "api-key", None, number.to_bytes(32, "little"), 1, START, END, "active"
    )


def caller(number: int = 1, *, fixed: bool = True, environment: str = "productie") -> Caller:
    return Caller(taaksysteem(number, fixed=fixed, environment=environment), key(number))


def bevraging(
    path: str = "/api/brp/personen", question: Question | None = None, operation: str = "bevragen"
) -> Bevraging:
    found = CATALOGUE.find(path)
    if found is None:
        raise ValueError(path)
    environment, api, subpath = found
    return Bevraging(
        id=UUID("01942f5e-0000-7000-8000-000000000001"),
        received=0.0,
        method="POST",
        path=path,
        environment=environment,
        api=api,
        operation=operation,
        subpath=subpath,
        query="",
        headers={},
        body=b"{}",
        question=question
        or Question("personen", "RaadpleegMetBurgerservicenummer", ("burgerservicenummer",), ("naam",)),
        source="127.0.0.1",
        trace_id=None,
        traceparent=None,
    )
