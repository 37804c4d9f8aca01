"""The part of an onboarding that says where a tenant's checkpoints go. In a tenant's scope."""

from pydantic import Field, model_validator

from tenants.delivery.places import PlaceKind, add_place, check_place
from tenants.onboarding_shapes import Line, Part
from tenants.onboarding_work import Work


class DestinationPart(Part):
    """A place for checkpoints: a directory below the operator's share, an https URL, or the officer's e-mail address."""

    kind: PlaceKind
    target: Line
    every_seconds: int | None = Field(None, ge=60, le=604_800)

    @model_validator(mode="after")
    def _possible(self) -> "DestinationPart":
        if faults := check_place(self.kind, self.target, self.every_seconds):
            raise ValueError(" ".join(faults))
        return self


async def apply_destinations(work: Work, oin: str, parts: tuple[DestinationPart, ...]) -> None:
    """Make the destinations that are new, and bring the interval of the others to what the document says."""
    if not parts:
        return
    tenant_id = work.tenants[oin]
    query = (
        "SELECT kind, target, every_seconds FROM registry.checkpoint_destination "
        "WHERE tenant_id = $1 AND state = 'active'"
    )
    before = {
        (row["kind"], row["target"]): row["every_seconds"] for row in await work.connection.fetch(query, tenant_id)
    }
    for one in parts:
        await add_place(work.connection, tenant_id, one.kind, one.target, every_seconds=one.every_seconds)
    after = {
        (row["kind"], row["target"]): row["every_seconds"] for row in await work.connection.fetch(query, tenant_id)
    }
    differs = {key for key, seconds in after.items() if before.get(key) != seconds}
    work.made["checkpoint_destination"] += len(differs - before.keys())
    work.changed["checkpoint_destination"] += len(differs & before.keys())
    work.touched.extend(one for one in parts if (one.kind, one.target) in differs)
