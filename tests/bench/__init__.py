"""``make bench``: quality and speed, measured in one run, beside baselines, peers and the limit."""
