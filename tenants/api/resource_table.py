"""The routes of everything that a tenant registers, in the order in which a municipality meets them."""

from typing import Final

from tenants.api.aansluitingen import AANSLUITING_ROUTES
from tenants.api.afnemers import AFNEMER_ROUTES
from tenants.api.autorisatiebesluiten import BESLUIT_ROUTES
from tenants.api.checkpoints import CHECKPOINT_ROUTES
from tenants.api.contacten import CONTACT_ROUTES
from tenants.api.headerprofielen import HEADERPROFIEL_ROUTES
from tenants.api.idps import IDP_ROUTES
from tenants.api.logboekbestemmingen import LOGBOEK_ROUTES
from tenants.api.machtigingen import MACHTIGING_ROUTES
from tenants.api.mandaten import MANDAAT_ROUTES
from tenants.api.meldingen import MELDING_ROUTES
from tenants.api.naleving import NALEVING_ROUTES
from tenants.api.overeenkomsten import OVEREENKOMST_ROUTES
from tenants.api.routing import Route
from tenants.api.sleutels import SLEUTEL_ROUTES
from tenants.api.snelheidslimieten import SNELHEIDSLIMIET_ROUTES
from tenants.api.stappenplan import STAPPENPLAN_ROUTES
from tenants.api.taaksystemen import TAAKSYSTEEM_ROUTES
from tenants.api.tenants import TENANT_ROUTES
from tenants.api.uitzonderingen import UITZONDERING_ROUTES

RESOURCE_ROUTES: Final[tuple[Route, ...]] = (
    *TENANT_ROUTES,
    *AFNEMER_ROUTES,
    *BESLUIT_ROUTES,
    *OVEREENKOMST_ROUTES,
    *UITZONDERING_ROUTES,
    *AANSLUITING_ROUTES,
    *STAPPENPLAN_ROUTES,
    *HEADERPROFIEL_ROUTES,
    *IDP_ROUTES,
    *TAAKSYSTEEM_ROUTES,
    *SLEUTEL_ROUTES,
    *SNELHEIDSLIMIET_ROUTES,
    *MANDAAT_ROUTES,
    *MACHTIGING_ROUTES,
    *CHECKPOINT_ROUTES,
    *CONTACT_ROUTES,
    *MELDING_ROUTES,
    *NALEVING_ROUTES,
    *LOGBOEK_ROUTES,
)
