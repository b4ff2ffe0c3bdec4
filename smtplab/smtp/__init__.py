"""SMTP as data: verbs, replies, extensions, limits, the table of states. No numpy, no sockets, no clocks."""
