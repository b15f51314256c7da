"""Functions that callers pass in, by what they are for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

#: Returns the time now, in UTC. Clocks are read at the edge and passed in.
Clock = Callable[[], dt.datetime]
#: Gets a line of text for a person after each step of long work.
ProgressCallback = Callable[[str], None]
