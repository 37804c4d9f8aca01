"""Caller and call to exactly one aansluiting, or a refusal that says which rule and who must act. Pure.

The rules, in this order; each has its own code:

1. The path's environment is the taaksysteem's                                     omgevingKomtNietOvereen
2. Whatever names an aansluiting (token, claim, header) names the same one         aanwijzingenTegenstrijdig
3. Something names one, or the taaksysteem has a *vaste aansluiting*; the number
   of machtigingen never decides                                                   aansluitingNietGenoemd
4. It is an aansluiting that a machtiging of this taaksysteem allows               aansluitingNietToegestaan
5. It stands: state of its environment, validity, certificate, no block            aansluitingNietActief, geblokkeerd
6. One machtiging covers the API and has the doelbinding that is named;
   two doelbindingen without a name are no choice                                  apiNietToegestaan, doelbindingOnbekend,
                                                                                   doelbindingNietEenduidig
7. The aansluitpatroon allows it                                                   codes of `tenants.patterns`, `gateway.patterns`
8. It allows this question: user, role, hours, operation, type, parameters, fields RvIG's own 403 documents, and the
                                                                                   codes of `gateway.doelbinding`

Promise 1 of the design: nothing missing, expired, blocked, ambiguous or contradictory falls back to anything.
"""

from collections.abc import Iterable
from datetime import datetime

from gateway import doelbinding
from gateway.call import Bevraging, Caller, Choice, NamedAansluiting
from gateway.errors import Blocked, NotPermitted
from gateway.patterns import check_call
from gateway.snapshot import Snapshot, blocks_of, is_within
from tenants.model import Aansluiting, Machtiging


def choose(caller: Caller, bevraging: Bevraging, snapshot: Snapshot, now: datetime) -> Choice:
    """Return the one aansluiting and the machtiging. Raises NotPermitted, Blocked or AsRvig."""
    taaksysteem = caller.taaksysteem
    if bevraging.environment.name != taaksysteem.environment:
        raise NotPermitted("omgevingKomtNietOvereen", "Dit taaksysteem is voor een andere omgeving geregistreerd.")
    machtigingen = [m for m in snapshot.machtigingen_of(taaksysteem) if stands(m, now)]
    aansluiting = snapshot.aansluitingen.get(_pointed_at(caller, snapshot, machtigingen))
    if aansluiting is None or aansluiting.environment != taaksysteem.environment:
        raise _not_allowed()
    over_it = [m for m in machtigingen if _over(m, aansluiting)]
    if not over_it:
        raise _not_allowed()
    _check_stands(aansluiting, caller, bevraging, snapshot, now)
    machtiging = _the_one(over_it, bevraging, caller.doelbinding)
    check_call(caller, aansluiting, machtiging, bevraging, snapshot, now)
    doelbinding.check(machtiging, caller, bevraging, aansluiting, snapshot, now)
    return Choice(aansluiting, machtiging, bevraging.environment, bevraging.api)


def allowed_aansluitingen(caller: Caller, snapshot: Snapshot, now: datetime) -> tuple[Aansluiting, ...]:
    """The aansluitingen that a taaksysteem may name: for the scope of a gateway-issued token."""
    found = {
        (m.tenant_id, m.aansluiting_id): snapshot.aansluitingen.get((m.tenant_id, m.aansluiting_id))
        for m in snapshot.machtigingen_of(caller.taaksysteem)
        if stands(m, now)
    }
    environment = caller.taaksysteem.environment
    return tuple(a for a in found.values() if a is not None and a.environment == environment)


def stands(machtiging: Machtiging, now: datetime) -> bool:
    """Whether a machtiging, and the mandate under it, is valid at this moment."""
    if machtiging.withdrawn_at is not None or not is_within(now, machtiging.valid_from, machtiging.valid_until):
        return False
    mandate = machtiging.mandate
    if mandate is None:
        return machtiging.tenant_id == machtiging.taaksysteem_tenant_id
    return (
        mandate.withdrawn_at is None
        and mandate.to_tenant_id == machtiging.taaksysteem_tenant_id
        and is_within(now, mandate.valid_from, mandate.valid_until)
    )


def _pointed_at(caller: Caller, snapshot: Snapshot, machtigingen: list[Machtiging]) -> tuple[int, int]:
    pointed = {_resolve(name, snapshot, machtigingen, caller) for name in caller.named}
    if caller.bound is not None:
        pointed.add(caller.bound)
    if len(pointed) > 1:
        raise NotPermitted(
            "aanwijzingenTegenstrijdig",
            "Token en headers noemen verschillende aansluitingen; zij moeten overeenstemmen.",
        )
    if pointed:
        return pointed.pop()
    if caller.taaksysteem.vaste_aansluiting is None:
        raise NotPermitted(
            "aansluitingNietGenoemd",
            "De aanroep noemt geen AfnemerID en dit taaksysteem heeft geen vaste aansluiting.",
        )
    return caller.taaksysteem.vaste_aansluiting


def _resolve(
    named: NamedAansluiting, snapshot: Snapshot, machtigingen: Iterable[Machtiging], caller: Caller
) -> tuple[int, int]:
    fitting = set()
    for machtiging in machtigingen:
        aansluiting = snapshot.aansluitingen.get((machtiging.tenant_id, machtiging.aansluiting_id))
        if aansluiting is not None and _fits(named, aansluiting, caller):
            fitting.add((aansluiting.tenant_id, aansluiting.aansluiting_id))
    if not fitting:
        raise _not_allowed()
    if len(fitting) > 1:
        raise NotPermitted("aansluitingNietEenduidig", "De aanroep past op meer dan één aansluiting.")
    return fitting.pop()


def _fits(named: NamedAansluiting, aansluiting: Aansluiting, caller: Caller) -> bool:
    return (
        (named.afnemer_id is not None or named.oin is not None)
        and named.afnemer_id in {None, aansluiting.afnemer_id}
        and named.oin in {None, aansluiting.organisation_oin}
        and aansluiting.environment == caller.taaksysteem.environment
    )


def _over(machtiging: Machtiging, aansluiting: Aansluiting) -> bool:
    return (machtiging.tenant_id, machtiging.aansluiting_id) == (aansluiting.tenant_id, aansluiting.aansluiting_id)


def _check_stands(
    aansluiting: Aansluiting, caller: Caller, bevraging: Bevraging, snapshot: Snapshot, now: datetime
) -> None:
    if snapshot.blokkades:
        blocks = blocks_of(aansluiting, caller.taaksysteem, snapshot)
        if not snapshot.blokkades.isdisjoint(blocks):
            raise Blocked("geblokkeerd", "Deze aansluiting of dit taaksysteem is geblokkeerd door een beheerder.")
    if aansluiting.state != bevraging.environment.kind:
        raise Blocked("aansluitingNietActief", "De aansluiting is in deze omgeving niet in gebruik genomen.")
    if not is_within(now, aansluiting.valid_from, aansluiting.valid_until):
        raise Blocked("verlopen", "De aansluiting is op dit moment niet geldig.")
    certificate = aansluiting.certificate
    if certificate.state not in {"active", "retiring"}:
        raise Blocked("ingetrokken", "Het certificaat van de aansluiting is niet actief.")
    if not is_within(now, certificate.not_before, certificate.not_after):
        raise Blocked("certificaatVerlopen", "Het certificaat van de aansluiting is verlopen of nog niet geldig.")


def _the_one(machtigingen: list[Machtiging], bevraging: Bevraging, doelbinding: str | None) -> Machtiging:
    covering = [m for m in machtigingen if bevraging.api.right in m.rights]
    if not covering:
        raise NotPermitted("apiNietToegestaan", "De machtiging van dit taaksysteem omvat deze API niet.")
    if doelbinding is not None:
        covering = [m for m in covering if m.doelbinding == doelbinding]
        if not covering:
            raise NotPermitted(
                "doelbindingOnbekend", "De genoemde doelbinding is niet die van een machtiging van dit taaksysteem."
            )
    if len(covering) > 1:
        raise NotPermitted(
            "doelbindingNietEenduidig", "Voor deze aanroep gelden meerdere doelbindingen en er is er geen genoemd."
        )
    return covering[0]


def _not_allowed() -> NotPermitted:
    return NotPermitted(
        "aansluitingNietToegestaan", "Dit taaksysteem heeft geen geldige machtiging voor de genoemde aansluiting."
    )
