"""The inference service: hot models behind FastAPI.

`champion_watcher` follows the alias `champion` in the registry, `served_model` holds what is live, `app` answers.
MLflow is reached by REST alone: importing it would cost seconds and 190 MB per replica.
"""
