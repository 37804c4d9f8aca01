"""The sealer: what must happen to the register by the clock. It owns nothing and sees no content."""

from tenants.sealer.app import run_sealer

__all__ = ["run_sealer"]
