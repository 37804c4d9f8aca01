"""What PostgreSQL's verdicts on an opening mean for its caller. Pure."""

from gateway.errors import Blocked, IdentityUnavailable, KoppelpuntError, NotPermitted, RegisterUnavailable

# Verdicts under which nothing was recorded; a refused attempt cannot bear these names.
NOT_RECORDED = frozenset({"onbekend", "klok", "sleutel", "gewijzigd"})

_BLOCKED = {
    "geblokkeerd": "Deze aansluiting is geblokkeerd.",
    "ingetrokken": "De aansluiting, de machtiging of een onderdeel daarvan is ingetrokken.",
    "verlopen": "De geldigheid van de aansluiting, de machtiging of een onderdeel daarvan is verlopen of nog niet begonnen.",
}


def error_of(verdict: str) -> KoppelpuntError:
    """Return what to tell the caller of an opening that is not let through."""
    if (detail := _BLOCKED.get(verdict)) is not None:
        return Blocked(verdict, detail)
    if verdict == "niet_opgehaald":
        return NotPermitted(
            "berichtNietOpgehaald", "Een bericht mag pas worden verwijderd als deze aansluiting het heeft opgehaald."
        )
    if verdict == "onbekend":
        return IdentityUnavailable(
            "registerKentIdentiteitNiet", "De gekozen identiteit staat zo niet in de registratie."
        )
    if verdict == "klok":
        return RegisterUnavailable(
            "registerKlokVerschilt", "De klokken van de gateway en het register verschillen meer dan een minuut."
        )
    return refuses_row()


def refuses_row(*, sent: bool = False) -> RegisterUnavailable:
    """Return the error of a row that the register does not take, whatever is done."""
    return RegisterUnavailable("registerWeigertRegel", "Het register neemt deze regel niet aan.", sent=sent)


def is_unreachable(*, sent: bool = False) -> RegisterUnavailable:
    """Return the error of a register that gives no answer (in time)."""
    retry_after = None if sent else 1
    return RegisterUnavailable(
        "registerOnbereikbaar", "Het register is niet bereikbaar.", sent=sent, retry_after=retry_after
    )


def is_full(*, sent: bool = False) -> RegisterUnavailable:
    """Return the error of a tenant (or a gateway) whose places in the queue are all taken."""
    retry_after = None if sent else 1
    return RegisterUnavailable(
        "registerVol", "Er wachten te veel regels op het register.", sent=sent, retry_after=retry_after
    )
