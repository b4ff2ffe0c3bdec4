"""Cassettes, and either side of them played again: to a server, to a client, step by step, many at once."""
