"""A frame in, a picture out. Imports no sockets and no widgets."""
