"""Writes a first `ml.py` from a Django model and its rows: `manage.py startml`."""
