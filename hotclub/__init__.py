"""The contract that every part of Hotclub shares, and nothing else.

Declarations (`declarations`), the JSON contract they compile to (`contract`, `contract_files`), rows to a
feature matrix (`matrix`), the model package (`package`), the predictor (`predictor`) and the model
registry (`model_registry`, `mlflow_rest`, `package_cache`). Nothing here imports Django, Airflow, FastAPI,
Celery, MLflow or Great Expectations; an import-linter contract holds that border.
"""

__version__ = "0.1.0"
