"""The launcher: it starts, watches and stops the stack on one machine, without Docker and without root.

In this package "the launcher" is this code, and "the stack" the services that it runs, with their folders and ports.
"""
