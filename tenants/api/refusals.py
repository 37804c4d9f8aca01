"""What the registry refuses, as a refusal of the API: the one table from its errors to problem documents."""

import asyncpg

from tenants.api.problems import Refused, fault
from tenants.faults import Changed, InputRefused, NotFound, RegistryError
from tenants.words.constraints import words_of_constraint


def refusal_of(
    error: RegistryError | asyncpg.IntegrityConstraintViolationError | asyncpg.DataError,
) -> Refused:
    """The refusal of an error. The database's own texts stay behind: they show values."""
    match error:
        case InputRefused():
            faults = [fault("body", "", "geweigerd", one) for one in error.faults]
            return Refused(400, "geweigerd", "De registratie neemt dit niet aan; 'errors' zegt waarom.", faults=faults)
        case NotFound():
            return Refused(404, "nietGevonden", "Dit bestaat hier niet, of is niet in een toestand waarin dit kan.")
        case Changed():
            return Refused(412, "andereVersie", "Een ander heeft dit intussen veranderd. Lees het opnieuw met GET.")
        case asyncpg.PostgresError():
            status, words = words_of_constraint(error.table_name, error.constraint_name, error.data_type_name)
            faults = [fault("body", "", "geweigerd", words)]
            return Refused(status, "botst" if status == 409 else "geweigerd", words, faults=faults)
        case _:
            return Refused(400, "geweigerd", "De registratie neemt dit niet aan.")
