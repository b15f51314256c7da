"""The launcher: every service of Hotclub on one machine, without Docker and without root."""
