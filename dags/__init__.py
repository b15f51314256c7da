"""Orchestration only: which command or API call runs when, for which partition, and what happens on failure.

One file per kind of DAG (`ingest_dags`, `train_dags`, `score_dags`), one DAG per contract. The package is
installed beside Airflow, because the triggerer imports `triggers` by name.
"""
