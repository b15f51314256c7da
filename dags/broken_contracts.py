"""Shows broken contract files as an import error in Airflow, of this file only.

It holds no DAG, so its error stops no DAG of a good contract. See `dags.contract_dags`.
"""

from __future__ import annotations

from hotclub import contract_files
from hotclub.errors import ContractError

_broken = contract_files.read_readable(contract_files.folders()).broken
if _broken:
    raise ContractError("their DAGs are missing until these are fixed:\n" + "\n".join(_broken))
