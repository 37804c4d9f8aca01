"""Callers that prove themselves with keys of their own: tokens of a tenant's IDP, and signed client assertions.

- `jws` reads signed tokens strictly, and JWK sets (pure);
- `claims` says what a token of an IDP must hold, and what it means (pure);
- `keysets` keeps the keys of every IDP, fetched in the background;
- `tokens` joins them: from a bearer token to whom it names, remembered for as long as it holds;
- `assertions` reads client assertions (RFC 7523), `used` remembers in PostgreSQL which ones were used.
"""
