"""RvIG's own test cases against the real gateway in front of the real simulator: `python -m tests.conformance DIR`."""
