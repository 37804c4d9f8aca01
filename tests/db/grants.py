"""Reads the grants of a database from its catalogue, one line per role and object, to compare with `grants.txt`."""

from pathlib import Path

import asyncpg

DECLARED = Path(__file__).with_name("grants.txt")

_GRANTS = """
WITH mine AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('registry', 'register', 'proef', 'auth')),
granted (grantee, object, privilege) AS (
  SELECT x.grantee, m.nspname || '.' || c.relname, x.privilege_type
  FROM mine m JOIN pg_class c ON c.relnamespace = m.oid, aclexplode(c.relacl) x WHERE x.grantee <> c.relowner
  UNION ALL
  SELECT x.grantee, m.nspname || '.' || c.relname, x.privilege_type || ' (' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')'
  FROM mine m JOIN pg_class c ON c.relnamespace = m.oid JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
  WHERE x.grantee <> c.relowner GROUP BY 1, 2, x.privilege_type
  UNION ALL
  SELECT x.grantee, m.nspname || '.' || p.proname || '()', x.privilege_type
  FROM mine m JOIN pg_proc p ON p.pronamespace = m.oid, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) x
  WHERE x.grantee <> p.proowner
  UNION ALL
  SELECT x.grantee, m.nspname, x.privilege_type
  FROM mine m JOIN pg_namespace n ON n.oid = m.oid, aclexplode(n.nspacl) x WHERE x.grantee <> n.nspowner
)
SELECT COALESCE(r.rolname, 'PUBLIC') || ' | ' || object || ' | ' || string_agg(privilege, ', ' ORDER BY privilege)
FROM granted g LEFT JOIN pg_roles r ON r.oid = g.grantee GROUP BY r.rolname, object
"""


async def granted(admin: asyncpg.Connection) -> list[str]:
    """Return `role | object | privileges` for every grant to another than the object's owner, sorted."""
    return sorted(row[0] for row in await admin.fetch(_GRANTS))


def declared() -> list[str]:
    return DECLARED.read_text(encoding="utf-8").splitlines()
