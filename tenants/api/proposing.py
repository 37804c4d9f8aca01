"""What becomes of an operator's request that is the tenant's to decide on."""

from tenants.api.problems import Refused
from tenants.api.routing import Answer, Asked, Route


async def propose(route: Route, asked: Asked, document: bytes) -> Answer | None:  # noqa: ARG001 - as it is asked
    """Return the answer to an operator's request on a route that is *voorstelbaar*; None lets it be done at once.

    `document` is the body as it came. Refuses everything: without a voorstel nothing of a tenant is changed by another.
    """
    raise Refused(403, "alleenDeTenant", "Alleen een beheerder van de tenant zelf mag dit.")
