"""What is inside a message: header fields, MIME parts, and files encoded in texts. Imports no pandas, no sockets."""
