"""The inference service: hot models behind FastAPI.

`watcher` follows the alias `champion` in the registry, `slot` holds what is live, `app` answers.
MLflow is reached by REST alone: importing it would cost seconds and 190 MB per replica.
"""
