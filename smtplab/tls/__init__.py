"""What TLS shows in clear: the two hellos. Imports no pandas, no sockets."""
