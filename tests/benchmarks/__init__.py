"""Benchmarks: they print ratios against the bare forwarder of the same run. Not timed tests."""
