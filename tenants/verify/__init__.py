"""Verification of a register: whether everything that was sealed is there, whole, and where it was."""
