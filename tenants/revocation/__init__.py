"""Whether certificates were revoked: lists of their CAs (CRL) at every level, and OCSP where it is offered."""
