"""Views for pages and notebooks."""
