"""Everything at once on one machine: PostgreSQL, test PKI, simulator, tenants and gateway. For trying, never for data."""
