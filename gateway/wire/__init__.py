"""HTTP to RvIG, over the TLS identity of one afnemer at a time: the one place that knows aiohttp."""
