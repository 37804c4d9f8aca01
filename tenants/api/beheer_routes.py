"""The routes by which it is said who administers, and by which one decides on what another asks."""

from dataclasses import replace
from typing import Final

from tenants.admins import Role
from tenants.api import beheer_shapes, beheerders, beheermandaten, voorstel_shapes, voorstellen
from tenants.api.proposing import auditor_grants
from tenants.api.resources import Bladzijde
from tenants.api.routing import Route

_ALL: Final[frozenset[Role]] = frozenset({"operator", "beheerder", "auditor"})
_NAMERS: Final[frozenset[Role]] = frozenset({"operator", "beheerder"})
_OF_TENANT: Final[frozenset[Role]] = frozenset({"beheerder", "auditor"})
_BEHEERDER: Final[frozenset[Role]] = frozenset({"beheerder"})
_GONE: Final = frozenset({404, 409})

_NAMING: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/beheerders", "beheerders", "Wie hier beheert: de operator ziet de eigen, een tenant de eigen.",
        _ALL, beheerders.list_beheerders, {200: beheer_shapes.Beheerders}, query=Bladzijde, of_tenant=True, eigen=True,
        ook_operator=True,
    ),
    Route(
        "POST", "/v1/beheerders", "benoemBeheerder", "Laat iemand beheren die een idp voor beheerders noemt.",
        _NAMERS, beheerders.name_beheerder, {201: beheer_shapes.Beheerder}, refusals=_GONE,
        body=beheer_shapes.NieuweBeheerder, of_tenant=True, idempotent=True, voorstelbaar=True,
        vier_ogen=beheerders.eyes_for_new, eigen=True, ook_operator=True,
    ),
    Route(
        "GET", "/v1/beheerders/{nummer}", "beheerder", "Een beheerder.",
        _ALL, beheerders.show_beheerder, {200: beheer_shapes.Beheerder}, refusals=frozenset({404}), of_tenant=True,
        versioned=True, eigen=True, ook_operator=True,
    ),
    Route(
        "DELETE", "/v1/beheerders/{nummer}", "trekBeheerderIn", "Laat iemand niet meer beheren.",
        _ALL, beheerders.withdraw_beheerder, {204: None}, refusals=_GONE, of_tenant=True, versioned=True,
        voorstelbaar=True, vier_ogen=beheerders.eyes_for_beheerder, eigen=True, ook_operator=True,
    ),
    Route(
        "GET", "/v1/beheersleutels", "beheersleutels", "Sleutels voor machines, zonder hun geheim.",
        _ALL, beheerders.list_keys, {200: beheer_shapes.Beheersleutels}, query=Bladzijde, of_tenant=True, eigen=True,
        ook_operator=True,
    ),
    Route(
        "POST", "/v1/beheersleutels", "maakBeheersleutel", "Maak een sleutel; het geheim wordt één keer getoond.",
        _NAMERS, beheerders.make_key, {201: beheer_shapes.GemaakteBeheersleutel}, refusals=_GONE,
        body=beheer_shapes.NieuweBeheersleutel, of_tenant=True, idempotent=True, voorstelbaar=True,
        vier_ogen=beheerders.eyes_for_new, eigen=True, ook_operator=True,
    ),
    Route(
        "GET", "/v1/beheersleutels/{nummer}", "beheersleutel", "Een sleutel, zonder het geheim.",
        _ALL, beheerders.show_key, {200: beheer_shapes.Beheersleutel}, refusals=frozenset({404}), of_tenant=True,
        versioned=True, eigen=True, ook_operator=True,
    ),
    Route(
        "DELETE", "/v1/beheersleutels/{nummer}", "trekBeheersleutelIn", "Laat een sleutel niets meer openen.",
        _ALL, beheerders.withdraw_key, {204: None}, refusals=_GONE, of_tenant=True, versioned=True,
        voorstelbaar=True, vier_ogen=beheerders.eyes_for_key, eigen=True, ook_operator=True,
    ),
    Route(
        "GET", "/v1/beheer-idps", "beheerIdps", "Identiteitsvoorzieningen die beheerders noemen.",
        _ALL, beheerders.list_idps, {200: beheer_shapes.BeheerIdps}, query=Bladzijde, of_tenant=True, eigen=True,
        ook_operator=True,
    ),
    Route(
        "POST", "/v1/beheer-idps", "meldBeheerIdpAan", "Laat tokens van een identiteitsvoorziening beheerders noemen.",
        _NAMERS, beheerders.add_idp, {201: beheer_shapes.BeheerIdp}, refusals=_GONE,
        body=beheer_shapes.NieuweBeheerIdp, of_tenant=True, idempotent=True, voorstelbaar=True, eigen=True,
        ook_operator=True,
    ),
    Route(
        "GET", "/v1/beheer-idps/{nummer}", "beheerIdp", "Een identiteitsvoorziening.",
        _ALL, beheerders.show_idp, {200: beheer_shapes.BeheerIdp}, refusals=frozenset({404}), of_tenant=True,
        versioned=True, eigen=True, ook_operator=True,
    ),
    Route(
        "DELETE", "/v1/beheer-idps/{nummer}", "beeindigBeheerIdp", "Laat niemand meer binnen die zij noemt.",
        _NAMERS, beheerders.end_idp, {204: None}, refusals=_GONE, of_tenant=True, versioned=True, voorstelbaar=True,
        vier_ogen=beheerders.eyes_for_idp, eigen=True, ook_operator=True,
    ),
    Route(
        "GET", "/v1/beheermandaten", "beheermandaten", "Wie voor wie beheert: gegeven en gekregen.",
        _ALL, beheermandaten.list_mandaten, {200: beheer_shapes.Beheermandaten}, query=Bladzijde, of_tenant=True,
        eigen=True, ook_operator=True,
    ),
    Route(
        "POST", "/v1/beheermandaten", "geefBeheermandaat", "Laat de operator of een andere tenant voor u beheren.",
        _BEHEERDER, beheermandaten.give_mandaat, {201: beheer_shapes.Beheermandaat}, refusals=_GONE,
        body=beheer_shapes.NieuwBeheermandaat, of_tenant=True, idempotent=True, voorstelbaar=True, eigen=True,
    ),
    Route(
        "GET", "/v1/beheermandaten/{nummer}", "beheermandaat", "Een mandaat om te beheren.",
        _ALL, beheermandaten.show_mandaat, {200: beheer_shapes.Beheermandaat}, refusals=frozenset({404}),
        of_tenant=True, versioned=True, eigen=True, ook_operator=True,
    ),
    Route(
        "DELETE", "/v1/beheermandaten/{nummer}", "beeindigBeheermandaat", "Beëindig een mandaat dat de tenant gaf.",
        _BEHEERDER, beheermandaten.end_mandaat, {204: None}, refusals=_GONE, of_tenant=True, versioned=True,
        eigen=True,
    ),
)  # fmt: skip
_DECIDING: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/voorstellen", "voorstellen", "Wat is voorgesteld; de operator ziet wat de operator voorstelde.",
        _ALL, voorstellen.toon_voorstellen, {200: voorstel_shapes.Voorstellen},
        query=voorstel_shapes.VoorstellenVraag, of_tenant=True, eigen=True,
    ),
    Route(
        "GET", "/v1/voorstellen/{nummer}", "voorstel", "Een voorstel.",
        _ALL, voorstellen.toon_voorstel, {200: voorstel_shapes.Voorstel}, refusals=frozenset({404}), of_tenant=True,
        versioned=True, eigen=True,
    ),
    Route(
        "DELETE", "/v1/voorstellen/{nummer}", "trekVoorstelTerug", "Trek een eigen voorstel terug.",
        _NAMERS, voorstellen.trek_terug, {204: None}, refusals=_GONE, of_tenant=True, versioned=True, eigen=True,
    ),
    Route(
        "POST", "/v1/voorstellen/{nummer}/besluit", "besluit", "Aanvaard een voorstel en voer het uit, of weiger het.",
        _OF_TENANT, voorstellen.besluit, {200: voorstel_shapes.Besluit}, refusals=_GONE,
        body=voorstel_shapes.NieuwBesluit, of_tenant=True, versioned=True, eigen=True, idempotent=True,
    ),
    Route(
        "POST", "/v1/machtigingen/{nummer}/registerbeleid", "vraagRegisterbeleid",
        "Vraag de auditor toe te staan wat een machtiging buiten het register laat.",
        _BEHEERDER, voorstellen.sta_registerbeleid_toe, {204: None}, refusals=_GONE,
        body=voorstel_shapes.RegisterbeleidVraag, of_tenant=True, versioned=True, vier_ogen=auditor_grants,
        idempotent=True,
    ),
)  # fmt: skip
BEHEER_ROUTES: Final[tuple[Route, ...]] = (*(replace(one, geen_sleutel=True) for one in _NAMING), *_DECIDING)
"""What is of the tenant itself is `eigen`: nobody does it by a mandate. Administrators no machine's key names or makes; one
decides on a voorstel when `besluit` is among its routes."""
