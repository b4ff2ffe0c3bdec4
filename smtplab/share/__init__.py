"""What is taken out of a capture: packets, messages, and captures that may be shown to others."""
