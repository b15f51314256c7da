"""Writes of the ingest app, a module for each noun."""
