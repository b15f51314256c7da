"""Great Expectations suites built from contracts: what comes in, and what a model is trained on.

`staging` copies a delivered file into PostgreSQL as text, `suite` plans expectations from a
contract, `gate` runs them, `report` is what Django and training read. ``python -m data_checks``.
"""
