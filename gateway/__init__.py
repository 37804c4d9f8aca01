"""The data plane: serves calls, picks the one right identity for each, and records question and answer."""
