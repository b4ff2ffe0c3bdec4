"""Octets to columns: files, records, links, connections, reassembly. Knows TCP, not SMTP; imports no pandas."""
