"""The rules of the aansluitpatroon at each call: what `tenants.patterns` finds, and what only a call can show. Pure.

The findings over registered facts are worked out once and kept until a date in them passes or the registry changes.
Of the call itself: *gezamenlijk-personeel* wants a mandate of the member, a samenwerkingsverband as acting party, the
AfnemerID of the employee named, and the employee; a header alone chooses another tenant only with that tenant's consent;
informatieproducten want an additional authorisation and a convenant, but of a gemeente. Raises PatternUnmet for what the
tenant must mend, NotPermitted for what the taaksysteem's makers must.
"""

from datetime import datetime

from gateway.brp.apis import PERSONEN
from gateway.call import Bevraging, Caller
from gateway.errors import NotPermitted, PatternUnmet
from gateway.profiles import BY_HEADER
from gateway.snapshot import Snapshot
from tenants.model import Aansluiting, Machtiging
from tenants.pattern_facts import PatternFacts
from tenants.patterns import missing_products, products_of


def check_call(
    caller: Caller,
    aansluiting: Aansluiting,
    machtiging: Machtiging,
    bevraging: Bevraging,
    snapshot: Snapshot,
    now: datetime,
) -> None:
    """Raise PatternUnmet or NotPermitted unless the aansluitpatroon allows this call."""
    watch = snapshot.patterns.get((aansluiting.tenant_id, aansluiting.aansluiting_id))
    if watch is None:
        raise PatternUnmet("aansluitpatroonOnbekend", "Van deze aansluiting zijn de regels niet bekend.")
    facts = watch.facts
    active = _active(facts, snapshot) if facts.pattern == "saas" else None
    finding = watch.stop(now, active)
    if finding is not None:
        raise PatternUnmet(finding.code, f"{finding.text} De {finding.who} moet dit herstellen.")
    if facts.pattern == "gezamenlijk-personeel":
        _check_joint(caller, machtiging, snapshot)
    if (
        machtiging.mandate is not None
        and not machtiging.mandate.header_choice
        and _by_header_alone(caller, aansluiting)
    ):
        raise NotPermitted(
            "keuzeDoorHeaderNietToegestaan",
            "De organisatie waarvoor wordt gevraagd, staat niet toe dat alleen een header haar aanwijst.",
        )
    if not facts.is_gemeente and bevraging.api.kind == PERSONEN:
        asked = products_of(bevraging.question.fields)
        for missing in missing_products(facts, asked, now) if asked else ():
            raise PatternUnmet(missing.code, missing.text)


def _check_joint(caller: Caller, machtiging: Machtiging, snapshot: Snapshot) -> None:
    if machtiging.mandate is None:
        raise PatternUnmet("mandaatOntbreekt", "Bij gezamenlijk personeel geeft de deelnemer een mandaat.")
    acting = snapshot.tenant(caller.taaksysteem.tenant_id)
    if acting is None or acting.kind != "samenwerkingsverband":
        text = "Bij gezamenlijk personeel handelt een samenwerkingsverband voor de deelnemer."
        raise PatternUnmet("handelendePartijOnjuist", text)
    if not caller.named and caller.bound is None:
        raise NotPermitted(
            "afnemerVanMedewerkerOntbreekt",
            "De aanroep noemt niet voor welke deelnemer de medewerker nu werkt; een vaste aansluiting geldt hier niet.",
        )
    if caller.user is None:
        raise NotPermitted("gebruikerOntbreekt", "Bij gezamenlijk personeel noemt elke aanroep de medewerker.")


def _by_header_alone(caller: Caller, aansluiting: Aansluiting) -> bool:
    """Whether nothing but headers says that the call is for this aansluiting."""
    return (
        caller.bound is None
        and bool(caller.named)
        and all(one.by == BY_HEADER for one in caller.named)
        and caller.taaksysteem.vaste_aansluiting != (aansluiting.tenant_id, aansluiting.aansluiting_id)
    )


def _active(facts: PatternFacts, snapshot: Snapshot) -> frozenset[tuple[int, int]]:
    """The taaksystemen of the machtigingen that have not ended; one that ended elsewhere is known at once."""
    return frozenset(
        use.taaksysteem
        for use in facts.uses
        if (known := snapshot.taaksystemen.get(use.taaksysteem)) is not None and known.state == "active"
    )
