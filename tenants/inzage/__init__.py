"""Inzage: what a tenant tells a citizen, its privacy officer and its auditor about what stands in the register."""
