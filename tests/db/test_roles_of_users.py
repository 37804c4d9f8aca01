"""Each process refuses a database user that is in any other role of the product beside its own, whichever migration made it."""

import asyncpg
import pytest

from gateway.errors import RegisterUnavailable
from gateway.register.fitness import check_user
from tenants.pools import WrongRole, must_have_role

OWN = ("gateway", "tenants", "inzage", "sealer", "keys")


async def refuses(admin: asyncpg.Connection, own: str, *more: str) -> bool:
    """Whether the process of role `own` refuses a user that is in these roles too."""
    trial = admin.transaction()
    await trial.start()
    try:
        roles = ", ".join((f"koppelpunt_{own}", *more))
        await admin.execute(f"CREATE ROLE one_user LOGIN NOSUPERUSER IN ROLE {roles}")
        await admin.execute("SET LOCAL SESSION AUTHORIZATION one_user")
        await (check_user(admin) if own == "gateway" else must_have_role(admin, role=f"koppelpunt_{own}"))
    except (WrongRole, RegisterUnavailable):
        return True
    finally:
        await trial.rollback()
    return False


@pytest.mark.parametrize("own", OWN)
async def test_a_user_in_one_more_role_is_refused(admin: asyncpg.Connection, own: str):
    # Every role that a migration made: they are named in the catalogue's grants.
    found = {row[0] for row in await admin.fetch("SELECT rolname FROM pg_roles WHERE rolname ~ '^koppelpunt_[a-z]+$'")}
    assert found >= {f"koppelpunt_{one}" for one in (*OWN, "owner", "writer", "vernietiger")}
    assert not await refuses(admin, own)
    others = sorted(found - {f"koppelpunt_{own}"})
    assert [one for one in others if not await refuses(admin, own, one)] == []
