"""The sealer: what must happen to the register by the clock. It owns nothing and sees no content."""
