"""Segments to lines: the machine that reads SMTP, and the passes over what it wrote. Imports no pandas, no sockets."""
