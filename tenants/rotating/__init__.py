"""Rotation of a keyring: everything that it protects goes to its newest version, beside a running installation."""
