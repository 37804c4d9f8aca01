"""Every route of the admin API, with who may use it. A route that is not here does not exist.

The operator has no route to the register: not by a check, but because none names that role.
"""

from typing import Final

from tenants.api.beheer_routes import BEHEER_ROUTES
from tenants.api.blokkades import lift_blokkade, set_blokkade, show_blokkades
from tenants.api.certificaten_routes import CERTIFICATEN_ROUTES
from tenants.api.configuratie import CONFIGURATIE_ROUTES
from tenants.api.credentials import CREDENTIAL_ROUTES
from tenants.api.inzage_routes import INZAGE_ROUTES
from tenants.api.operatorgeschiedenis import OPERATORGESCHIEDENIS_ROUTES
from tenants.api.register import zoek_protocolregels
from tenants.api.register_shapes import Protocolregels, Zoekvraag
from tenants.api.registerfouten import REGISTERFOUT_ROUTES
from tenants.api.registry import show_tenants, show_wijzigingen
from tenants.api.resource_table import RESOURCE_ROUTES
from tenants.api.routing import PUBLIC, Answer, Asked, Route
from tenants.api.shapes import (
    Blokkades,
    GezetteBlokkade,
    NieuweBlokkade,
    Opheffing,
    Tenants,
    TenantsVraag,
    Wijzigingen,
    WijzigingenVraag,
)
from tenants.api.verbindingstesten import VERBINDINGSTEST_ROUTES
from tenants.api.vernietigingen import VERNIETIGING_ROUTES


async def show_openapi(asked: Asked) -> Answer:
    """GET: this table and these shapes as an OpenAPI document, for anyone."""
    return Answer(200, asked.rooms.openapi, {"Access-Control-Allow-Origin": "*"})


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/v1/openapi.json",
        name="openapi",
        summary="Deze beschrijving (OpenAPI 3.1).",
        roles=PUBLIC,
        endpoint=show_openapi,
        answers={200: None},
    ),
    Route(
        method="GET",
        path="/v1/tenants",
        name="tenants",
        summary="Tenants: de operator ziet alle, ieder ander de eigen.",
        roles=frozenset({"operator", "beheerder", "auditor"}),
        endpoint=show_tenants,
        answers={200: Tenants},
        query=TenantsVraag,
    ),
    Route(
        method="GET",
        path="/v1/blokkades",
        name="blokkades",
        summary="Blokkades die staan: de operator ziet alle, ieder ander die de eigen tenant raken.",
        roles=frozenset({"operator", "beheerder", "auditor"}),
        endpoint=show_blokkades,
        answers={200: Blokkades},
    ),
    Route(
        method="POST",
        path="/v1/blokkades",
        name="blokkeer",
        summary="Blokkeer. Na het antwoord wordt niets meer doorgelaten wat de blokkade verbiedt.",
        roles=frozenset({"operator", "beheerder"}),
        endpoint=set_blokkade,
        answers={201: GezetteBlokkade, 200: GezetteBlokkade},
        refusals=frozenset({409}),
        body=NieuweBlokkade,
        voorrang=True,
    ),
    Route(
        method="DELETE",
        path="/v1/blokkades/{soort}/{waarde}",
        name="hefBlokkadeOp",
        summary="Hef een blokkade op.",
        roles=frozenset({"operator", "beheerder"}),
        endpoint=lift_blokkade,
        answers={204: None},
        refusals=frozenset({404}),
        body=Opheffing,
        voorrang=True,
    ),
    Route(
        method="POST",
        path="/v1/protocolregels/zoekvraag",
        name="zoekProtocolregels",
        summary="Zoek in het eigen register, met reden. De zoekvraag wordt zelf vastgelegd.",
        roles=frozenset({"auditor"}),
        endpoint=zoek_protocolregels,
        answers={200: Protocolregels},
        refusals=frozenset({429}),
        body=Zoekvraag,
    ),
    Route(
        method="GET",
        path="/v1/wijzigingen",
        name="wijzigingen",
        summary="Wie wat veranderde aan de eigen tenant.",
        roles=frozenset({"beheerder", "auditor"}),
        endpoint=show_wijzigingen,
        answers={200: Wijzigingen},
        query=WijzigingenVraag,
    ),
    *CONFIGURATIE_ROUTES,
    *OPERATORGESCHIEDENIS_ROUTES,
    *INZAGE_ROUTES,
    *CREDENTIAL_ROUTES,
    *VERBINDINGSTEST_ROUTES,
    *BEHEER_ROUTES,
    *RESOURCE_ROUTES,
    *CERTIFICATEN_ROUTES,
    *VERNIETIGING_ROUTES,
    *REGISTERFOUT_ROUTES,
)
