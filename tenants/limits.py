"""A limit on calls, as a value. How it is kept stands in `tenants.rate_limits`, how it is applied in `gateway.limiting`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit. `taaksysteem_id` None: of the tenant as a whole."""

    tenant_id: int
    taaksysteem_id: int | None
    per_second: float
    burst: int
