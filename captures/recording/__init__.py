"""The parts of record.py: a small network, the mail programs on it, and the scenes they play."""
