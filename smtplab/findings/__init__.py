"""One rule, one function, over frames and octets."""
