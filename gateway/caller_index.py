"""Finds callers' keys by what a call shows: an IDP's client, a certificate's thumbprint or OIN. Pure; part of the snapshot.

A thumbprint or an OIN may belong to several taaksystemen (all of one organisation have its OIN): whoever asks gets all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tenants.model import Idp, TaaksysteemKey


@dataclass(slots=True)
class CallerIndex:
    """Indexes over all tenants' IDPs and keys."""

    idps: dict[tuple[int, int], Idp] = field(default_factory=dict)
    idps_by_issuer: dict[str, Idp] = field(default_factory=dict)
    by_idp_client: dict[tuple[int, int, str], TaaksysteemKey] = field(default_factory=dict)
    by_certificate: dict[bytes | str, tuple[TaaksysteemKey, ...]] = field(default_factory=dict)

    def put_in(self, idps: Iterable[Idp], keys: Iterable[TaaksysteemKey]) -> None:
        """Add a tenant's."""
        for idp in idps:
            self.idps[idp.tenant_id, idp.idp_id] = idp
            self.idps_by_issuer[idp.issuer] = idp
        for key in keys:
            if key.idp_id is not None and key.idp_client is not None:
                self.by_idp_client[key.tenant_id, key.idp_id, key.idp_client] = key
            shown = key.thumbprint or key.oin
            if shown is not None:
                self.by_certificate[shown] = (*self.by_certificate.get(shown, ()), key)

    def take_out(self, idps: Iterable[Idp], keys: Iterable[TaaksysteemKey]) -> None:
        """Take away what was added."""
        for idp in idps:
            self.idps.pop((idp.tenant_id, idp.idp_id), None)
            # An issuer may have gone to another tenant, whose part was read first.
            if self.idps_by_issuer.get(idp.issuer) == idp:
                del self.idps_by_issuer[idp.issuer]
        for key in keys:
            if key.idp_id is not None and key.idp_client is not None:
                self.by_idp_client.pop((key.tenant_id, key.idp_id, key.idp_client), None)
            shown = key.thumbprint or key.oin
            if shown is not None:
                left = tuple(one for one in self.by_certificate.get(shown, ()) if one is not key)
                if left:
                    self.by_certificate[shown] = left
                else:
                    self.by_certificate.pop(shown, None)

    def of_certificate(self, thumbprint: bytes, oin: str | None) -> tuple[TaaksysteemKey, ...]:
        """Every key of kind certificate that a certificate is."""
        found = self.by_certificate.get(thumbprint, ())
        return found if oin is None else (*found, *self.by_certificate.get(oin, ()))
