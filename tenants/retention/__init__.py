"""Retention: what goes when its term has passed, what is held, and the proof of what went."""
