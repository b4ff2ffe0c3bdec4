"""SMTP as data: verbs, replies, extensions, limits, the table of states. Imports nothing of ours but floor 0; no numpy, no sockets, no clocks."""
