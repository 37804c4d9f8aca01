"""The registry of tenants and their afnemers, its sealing, and the admin side. Never imports `gateway`."""
