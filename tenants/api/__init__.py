"""The admin API under /v1: shapes, routes with their roles, and what refuses (NL API Design Rules 2.2, RFC 9457)."""
