"""TLS: what it shows in clear, and what went through it where its keys are at hand. Imports no pandas, no sockets."""
