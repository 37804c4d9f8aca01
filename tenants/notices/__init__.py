"""Notices: what a tenant's contacts are told of facts of the registry, each once, and how that gets to them."""
