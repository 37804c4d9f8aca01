"""The routes of certificates. A beheerder works on the own tenant's; the operator may see them and propose a change.

What brings a key in is the tenant's alone: no operator proposes it.
"""

from typing import Final

from tenants.admins import Role
from tenants.api.certificaten import (
    activeer,
    download_csr,
    download_keten,
    draai_terug,
    faseer_uit,
    toon_certificaat,
    toon_certificaten,
    trek_in,
)
from tenants.api.certificaten_inbrengen import (
    breng_keten_in,
    breng_pem_in,
    breng_pkcs12_in,
    vraag_certificaat_aan,
)
from tenants.api.certificaten_shapes import (
    Activering,
    Certificaat,
    Certificaten,
    CertificatenVraag,
    Intrekking,
    Keten,
    NieuweAanvraag,
    PemPaar,
    Pkcs12,
    Veranderd,
)
from tenants.api.routing import Route

_READERS: Final[frozenset[Role]] = frozenset({"operator", "beheerder", "auditor"})
_CHANGERS: Final[frozenset[Role]] = frozenset({"operator", "beheerder"})
_BEHEERDER: Final[frozenset[Role]] = frozenset({"beheerder"})
_ONE: Final = "/v1/certificaten/{nummer}"
_PEM: Final = ("application/x-pem-file",)
_ABSENT: Final = frozenset({404})
_CLASHING: Final = frozenset({404, 409})

CERTIFICATEN_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/certificaten", "certificaten", "Certificaten van de tenant, op nummer.", _READERS,
        toon_certificaten, {200: Certificaten}, query=CertificatenVraag, of_tenant=True,
    ),
    Route(
        "GET", _ONE, "certificaat", "Eén certificaat; nooit de privésleutel.", _READERS, toon_certificaat,
        {200: Certificaat}, refusals=_ABSENT, of_tenant=True, versioned=True,
    ),
    Route(
        "POST", "/v1/certificaten/aanvragen", "vraagCertificaatAan",
        "Maak binnen het koppelpunt een sleutel en een aanvraag (CSR) voor de PKIo-leverancier.", _BEHEERDER,
        vraag_certificaat_aan, {201: Certificaat}, refusals=_CLASHING, body=NieuweAanvraag, of_tenant=True,
        idempotent=True,
    ),
    Route(
        "POST", "/v1/certificaten/pem", "brengPemIn", "Breng een certificaat met keten en privésleutel in (PEM).",
        _BEHEERDER, breng_pem_in, {201: Certificaat}, refusals=_CLASHING, body=PemPaar, of_tenant=True, idempotent=True,
    ),
    Route(
        "POST", "/v1/certificaten/pkcs12", "brengPkcs12In", "Breng een PKCS#12-bestand in.", _BEHEERDER,
        breng_pkcs12_in, {201: Certificaat}, refusals=_CLASHING, body=Pkcs12, of_tenant=True, idempotent=True,
    ),
    Route(
        "PUT", f"{_ONE}/keten", "brengKetenIn", "Breng het certificaat in dat op een aanvraag is uitgegeven.",
        _CHANGERS, breng_keten_in, {200: Certificaat}, refusals=_CLASHING, body=Keten, of_tenant=True, versioned=True,
        voorstelbaar=True,
    ),
    Route(
        "GET", f"{_ONE}/csr", "certificaatCsr", "De aanvraag, in PEM.", _READERS, download_csr, {200: None},
        refusals=_ABSENT, of_tenant=True, files=_PEM,
    ),
    Route(
        "GET", f"{_ONE}/keten", "certificaatKeten", "Het certificaat met zijn keten, in PEM.", _READERS,
        download_keten, {200: None}, refusals=_ABSENT, of_tenant=True, files=_PEM,
    ),
    Route(
        "POST", f"{_ONE}/activering", "activeerCertificaat",
        "Laat aansluitingen er vanaf de volgende bevraging mee vertrekken.", _CHANGERS, activeer, {200: Veranderd},
        refusals=_CLASHING, body=Activering, of_tenant=True, versioned=True, voorstelbaar=True, idempotent=True,
    ),
    Route(
        "POST", f"{_ONE}/terugdraaiing", "draaiCertificaatTerug",
        "Geef elke aansluiting die het gebruikt het vorige certificaat terug.", _CHANGERS, draai_terug,
        {200: Veranderd}, refusals=_CLASHING, of_tenant=True, versioned=True, voorstelbaar=True, idempotent=True,
    ),
    Route(
        "POST", f"{_ONE}/uitfasering", "faseerCertificaatUit",
        "Beëindig een certificaat dat niets gebruikt; de sleutel wordt na dertig dagen vernietigd.", _CHANGERS,
        faseer_uit, {200: Veranderd}, refusals=_CLASHING, of_tenant=True, versioned=True, voorstelbaar=True,
        idempotent=True,
    ),
    Route(
        "POST", f"{_ONE}/intrekking", "trekCertificaatIn",
        "Trek in op eigen gezag: er vertrekt niets meer mee. Onherroepelijk.", _BEHEERDER, trek_in,
        {200: Certificaat}, refusals=_CLASHING, body=Intrekking, of_tenant=True, versioned=True, voorrang=True,
    ),
)  # fmt: skip
