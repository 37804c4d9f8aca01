"""What a call shows for itself, taken together: exactly one taaksysteem, and every proof that it must give. Pure.

A proof is one credential that was verified, with the keys of the registry that it may be: one, or several for a
certificate of which several taaksystemen were registered. The taaksysteem is the one that *every* proof may be. When
several are left, the path's environment may tell them apart, as each is for one environment; else nobody was named, and
nothing is guessed. Raises NotAuthenticated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.call import NamedAansluiting
from gateway.errors import NotAuthenticated
from tenants.model import Taaksysteem, TaaksysteemKey

Owner = tuple[Taaksysteem, TaaksysteemKey]


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified credential. `kind` is api-key, token (of this gateway), idp or certificate; `owners` whose it may be."""

    kind: str
    owners: tuple[Owner, ...]
    bound: tuple[int, int] | None = None
    named: tuple[NamedAansluiting, ...] = ()
    user: str | None = field(default=None, repr=False)
    roles: frozenset[str] = field(default=frozenset(), repr=False)


def agree(proofs: Sequence[Proof], environment: str | None) -> Owner:
    """Return the one taaksysteem of all proofs, with its key of the first. Raises NotAuthenticated.

    `environment` is that of the path, None where there is none (the token endpoint).
    """
    if len(proofs) == 1 and len(proofs[0].owners) == 1:
        return proofs[0].owners[0]
    first, *others = proofs
    left = list(first.owners)
    for proof in others:
        theirs = {_number(taaksysteem) for taaksysteem, _ in proof.owners}
        left = [owner for owner in left if _number(owner[0]) in theirs]
    if not left:
        raise NotAuthenticated(
            "legitimatiesTegenstrijdig", "De meegestuurde legitimaties horen niet bij hetzelfde taaksysteem."
        )
    if len({_number(taaksysteem) for taaksysteem, _ in left}) > 1:
        left = [owner for owner in left if owner[0].environment == environment]
        if len({_number(taaksysteem) for taaksysteem, _ in left}) != 1:
            raise NotAuthenticated(
                "legitimatieNietEenduidig", "Het clientcertificaat hoort bij meer dan één taaksysteem."
            )
    # One taaksysteem may know a certificate by its thumbprint and by its OIN: either key will do.
    return left[0]


def check_required(taaksysteem: Taaksysteem, shown: Sequence[str], *, beside: frozenset[str] = frozenset()) -> None:
    """Raise NotAuthenticated when a proof is missing that the taaksysteem must give; those in `beside` are not asked."""
    missing = taaksysteem.requires.difference(shown) - beside
    if missing:
        listed = ", ".join(sorted(missing))
        raise NotAuthenticated("legitimatieOntbreekt", f"Dit taaksysteem moet zich ook legitimeren met: {listed}.")


def _number(taaksysteem: Taaksysteem) -> tuple[int, int]:
    return taaksysteem.tenant_id, taaksysteem.taaksysteem_id
