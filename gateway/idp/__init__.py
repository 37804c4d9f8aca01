"""Callers that prove themselves with keys of their own: tokens of a tenant's IDP, and signed client assertions.

- `claims` says what a token of an IDP must hold, and what it means (pure);
- `tokens` joins them: from a bearer token to whom it names, remembered for as long as it holds;
- `assertions` reads client assertions (RFC 7523), `used` remembers in PostgreSQL which ones were used.

How signed tokens are read (`tenants.jws`) and keys are kept (`tenants.keysets`) is shared with the admin side.
"""
