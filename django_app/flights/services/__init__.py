"""Writes of the flights app, a module for each noun."""
