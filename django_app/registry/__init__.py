"""MLflow's model registry, mirrored: versions, aliases, promotions."""
