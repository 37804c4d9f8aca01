"""What must be true of a call or a refusal that was shown. Pure: values in, checks out.

Each check says what was expected and what was found; the demo ends with status 0 only when all of them agree. So the
demo cannot show something that is not so without saying it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.asking import Reply, SeenCall
from gateway.demo.samples import CallingSystem, Organisation
from tenants.protocolregels import Protocolregel

TRANSACTION = "x-transactie-id"
RECEIPT = "x-protocol-bewijs"
"""Number of the row, counter and hash of its closing: what a caller can hold against the register."""
OUTCOME = "beantwoord"
# Credentials and what taaksystemen say of themselves go no further than the gateway.
KEPT_BACK = frozenset({"x-api-key", "x-gebruiker"})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was expected, and what was found."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make, over whose aansluiting, and whose data its answer must disclose."""

    title: str
    system: CallingSystem
    organisation: Organisation
    doelbinding: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    bsns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a call: the answer, what RvIG saw, and what stands in the register."""

    reply: Reply
    seen: Sequence[SeenCall] = ()
    regel: Protocolregel | None = None

    @property
    def api_calls(self) -> list[SeenCall]:
        return [one for one in self.seen if one.kind == "api"]

    @property
    def recorded_bsns(self) -> frozenset[str]:
        """The persons that the closing row holds, when it could be opened."""
        contents = None if self.regel is None else self.regel.contents
        return frozenset(contents.closing.get("persons", ())) if contents and contents.closing else frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that must come: its status and code, its place on the path, and how the register records it.

    `trouble` tells what stands in the way, `mended` what is done about it afterwards, `unrecorded` why no row stands in
    the register where none does.
    """

    title: str
    trouble: str
    status: int
    code: str
    plaats: str | None = None
    recorded: str | None = None
    unrecorded: str = ""
    mended: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What came of it. `afterwards` is the status when what stood in the way was taken away; `seconds` until then."""

    reply: Reply
    seen: Sequence[SeenCall] = ()
    regel: Protocolregel | None = None
    others: Sequence[Check] = field(default_factory=tuple)
    afterwards: int | None = None
    seconds: float = 0.0


def check_call(call: Call, observed: Observed) -> list[Check]:
    """A call that must succeed: the right identity left, the right answer came, and the register says so."""
    afnemer, issued = call.organisation.afnemer, call.organisation.issued
    checks = [
        Check("status of the answer", 200, observed.reply.status),
        Check("API calls that RvIG saw", 1, len(observed.api_calls)),
        Check("identities that RvIG saw", {issued.fingerprint}, {one.fingerprint for one in observed.seen}),
    ]
    for one in observed.api_calls:
        checks += [
            Check("path that RvIG saw", f"{call.method} {call.path.partition('?')[0]}", f"{one.method} {one.path}"),
            Check("OIN of the certificate that RvIG saw", afnemer.oin, one.certificate_oin),
            Check("scope that RvIG saw", afnemer.scope, one.scope),
            Check("account that RvIG saw", afnemer.client_id, one.client_id),
            Check("mailbox of the token", afnemer.mailbox_id, one.mailbox),
            Check("headers that went too far", set(), KEPT_BACK & one.headers.keys()),
        ]
    return checks + _check_regel(call, observed)


def _check_regel(call: Call, observed: Observed) -> list[Check]:
    regel, organisation = observed.regel, call.organisation
    if regel is None or regel.closing is None or regel.contents is None:
        return [Check("register", "an opening and a closing row", "none, or no closing")]
    receipt = f"{regel.id}:{regel.closing.number}:{regel.closing.hash.hex()}"
    return [
        Check("aansluiting in the register", organisation.aansluiting_id, regel.aansluiting_id),
        Check("AfnemerID in the register", organisation.afnemer.afnemer_id, regel.afnemer_id),
        Check("OIN of the certificate in the register", organisation.afnemer.oin, regel.certificate_oin),
        Check("certificate in the register", organisation.issued.fingerprint, (regel.fingerprint or b"").hex()),
        Check("taaksysteem in the register", _key_of(call.system), (regel.taaksysteem_tenant_id, regel.taaksysteem_id)),
        Check("doelbinding in the register", call.doelbinding, regel.doelbinding),
        Check("outcome in the register", OUTCOME, regel.outcome),
        Check("sealed contents", "geopend", regel.contents.state),
        Check("persons in the register", call.bsns, observed.recorded_bsns),
        Check("receipt", receipt, observed.reply.headers.get(RECEIPT)),
    ]


def check_refusal(refusal: Refusal, refused: Refused) -> list[Check]:
    """A refusal that must come: with this reason, without a byte to RvIG, and in the register where it belongs."""
    document = refused.reply.json
    document = document if isinstance(document, dict) else {}
    checks = [
        Check("status of the refusal", refusal.status, refused.reply.status),
        Check("code of the refusal", refusal.code, document.get("code", document.get("error"))),
        Check("place on the path", refusal.plaats, document.get("plaats")),
        Check("calls that RvIG saw", 0, len(refused.seen)),
        Check("refusal in the register", refusal.recorded, None if refused.regel is None else refused.regel.refusal),
        *refused.others,
    ]
    if refused.afterwards is not None:
        checks.append(Check("status afterwards", 200, refused.afterwards))
    return checks


def mismatches(checks: Sequence[Check]) -> list[Check]:
    return [one for one in checks if not one.holds]


def exit_status(checks: Sequence[Check]) -> int:
    """0 only when something was checked and all of it was as expected."""
    return 0 if checks and not mismatches(checks) else 1


def _key_of(system: CallingSystem) -> tuple[int, int]:
    return system.tenant_id, system.taaksysteem_id
