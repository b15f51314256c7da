"""One module per environment over a common base."""
