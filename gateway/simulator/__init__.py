"""A stand-in for RvIG: token endpoint, BRP APIs and mailbox over mutual TLS, with test persons and faults on demand."""
