"""Declarations, contracts, feature views, and what the model registry says of versions."""
