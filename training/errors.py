"""Training's own failures."""

from __future__ import annotations

from hotclub.errors import HotclubError


class RefusedDataError(HotclubError):
    """Rows that no model should be fitted on. Running again changes nothing: the data or the settings must."""
