"""Delivery of checkpoints to the place that a tenant chose: out of the operator's hands, where they prove something."""
