"""Training as a library with a command line: snapshot, fit, evaluate, gate, register.

Usable on a laptop without the stack; Airflow's `<model>.train` calls the same commands one by one.
"""
