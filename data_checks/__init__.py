"""Great Expectations suites built from contracts: what comes in, and what a model is trained on.

`staging_tables` copies a delivered file into PostgreSQL as text, `delivery_suite` and `snapshot_suite` plan
expectations from a contract, `gx_runner` runs them, `check_messages` has the words for a data owner, `report` is what
Django and training read. ``python -m data_checks``.
"""
