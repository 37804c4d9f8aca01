"""From what RvIG said to what the caller hears. Pure.

An answer of RvIG, 4xx included, is an outcome and goes back as it is. Three things are not: no answer, an answer that
says our token or identity is wrong (the caller's credentials are not the matter), and one that cannot be recorded
because it cannot be read.
"""

from uuid import UUID

from gateway.call import Answered, Outgoing, Result, Unanswered
from gateway.edge.answering import passed_headers
from gateway.entries import Contents
from gateway.errors import (
    AsRvig,
    Blocked,
    CallerError,
    IdentityUnavailable,
    KoppelpuntError,
    NotPermitted,
    RegisterUnavailable,
    TenantError,
    TokenRefused,
    UpstreamUnavailable,
)
from gateway.register.rows import Receipt

RECEIPT = b"x-protocol-bewijs"

_REASONS = {
    "antwoordTeLaat": "RvIG antwoordde niet op tijd.",
    "antwoordTeGroot": "Het antwoord van RvIG is groter dan toegestaan.",
    "antwoordOnleesbaar": "Het antwoord van RvIG is niet te lezen en kan dus niet worden vastgelegd.",
    "verbindingVerbroken": "De verbinding met RvIG werd verbroken.",
    "verbindingTeLaat": "Er kwam niet op tijd een verbinding met RvIG tot stand.",
    "geenVerbinding": "Er kwam geen verbinding met RvIG tot stand.",
    "naamOnbekend": "De naam van RvIG's server is niet te vinden.",
    "tlsMislukt": "De beveiligde verbinding met RvIG kwam niet tot stand.",
    "toestemmingVerlopen": "De bevraging is niet verzonden: er verstreek te veel tijd na de toestemming van het register.",
    "verzoekOnbruikbaar": "Het pad of de zoekvraag van de aanroep kan niet worden doorgegeven.",
}
_MAYBE = " RvIG kan de bevraging hebben verwerkt."


def outcome_of(error: KoppelpuntError) -> str:
    """The word for how a refused call ended: *geweigerd*, *mislukt*, or *onbekend* when RvIG's answer was dropped."""
    if isinstance(error, CallerError | TenantError):
        return "geweigerd"
    return "onbekend" if isinstance(error, RegisterUnavailable) and error.sent else "mislukt"


def is_security_event(error: KoppelpuntError) -> bool:
    """Whether a refusal of a known caller belongs in the security log: by a right, a block, or a rule of trust."""
    if isinstance(error, AsRvig):
        return error.shape.status == 403
    return isinstance(error, NotPermitted | Blocked | IdentityUnavailable | TokenRefused)


def unusable(result: Result, contents: Contents, *, token_refused: bool) -> KoppelpuntError | None:
    """Return what to tell the caller when the result is no answer for it, else None."""
    if isinstance(result, Unanswered):
        detail = _REASONS.get(result.reason)
        if detail is None:
            return IdentityUnavailable(result.reason, "Het certificaat van de aansluiting kan niet worden gebruikt.")
        return UpstreamUnavailable(result.reason, detail + (_MAYBE if result.sent else ""), sent=result.sent)
    if token_refused or result.status == 401:
        return TokenRefused("tokenGeweigerd", "RvIG weigerde het token of de identiteit van de aansluiting.", sent=True)
    if not contents.readable:
        return UpstreamUnavailable("antwoordOnleesbaar", _REASONS["antwoordOnleesbaar"] + _MAYBE, sent=True)
    return None


def answer_of(result: Answered, row_id: UUID, receipt: Receipt) -> Outgoing:
    """Return RvIG's answer, verbatim, with the receipt of its record: id, number and hash of the closing row.

    The id is that of the row, which is the transaction id unless the call was opened again with a new token.
    """
    headers = passed_headers(result.headers)
    if receipt.hash is not None:
        headers.append(
            (RECEIPT, b"%s:%d:%s" % (str(row_id).encode(), receipt.number or 0, receipt.hash.hex().encode()))
        )
    return Outgoing(result.status, headers, result.body)
