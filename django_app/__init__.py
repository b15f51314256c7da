"""Django: the reusable apps and the example project."""
