"""The registry's history: what stood at any past moment, read back from the wijzigingen."""
