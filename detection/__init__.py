"""Followers that publish: what the stream means, found by rules, and told as events of its own."""
