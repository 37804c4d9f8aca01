"""The verbindingstest: name, TCP, server's certificate, client's certificate, token, claims and probe, step by step.

Asked for by `tenants` through the database, because only here do private keys and client-secrets open. Each step says in
Dutch what was seen and who must act. Refuses to show, write or send anything about persons, any secret, and any token.
"""
