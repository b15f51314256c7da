"""Declarations of ``ml.py``, the contract files compiled from them, and the feature views built from those."""
