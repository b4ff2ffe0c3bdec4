"""Live conversations: talk to a server, be one, stand between two, or listen; each keeps what it saw as a capture that grows."""
