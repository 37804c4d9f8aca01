-- A proof of a taaksysteem and the keys of a tenant's year stay what they were when they were made: whoever has the user of
-- `tenants` cannot give a proof to another taaksysteem, change its secret, or exchange a year's key. What the program changes is the
-- state, the public keys of a client that rotates them, and the end of a proof that another takes the place of.
REVOKE UPDATE ON registry.taaksysteem_key FROM koppelpunt_tenants;
GRANT UPDATE (state, jwks, valid_until) ON registry.taaksysteem_key TO koppelpunt_tenants;
REVOKE UPDATE ON registry.tenant_key FROM koppelpunt_tenants;
