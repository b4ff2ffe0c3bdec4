"""What is inside a message: header fields and their decoding. Imports no pandas, no sockets."""
