"""What a developer waits for before there is any pipeline: the commands that look at and train a declaration."""

from __future__ import annotations

import time

from hotclub import names
from tests.bench.quality import Bench
from tests.bench.table import table

ROWS = 50_000
#: Command → seconds that it may take, the start of Django included.
COMMANDS = {
    ("trainml", "arrival_delay", "--sample", str(ROWS)): 60,
    ("inspectml", "arrival_delay", "--sample", str(ROWS)): 60,
    ("startml", "flights.Flight", "--stdout"): 60,
}


def report(bench: Bench) -> str:
    """Run each command once on the loaded flights; return its time beside what is wanted."""
    rows = []
    for words, wanted in COMMANDS.items():
        started = time.monotonic()
        bench.run("django_app.manage", *words, HOTCLUB_DATABASE_URL=bench.urls[names.ROLE_APP])
        seconds = time.monotonic() - started
        bench.say(f"{words[0]}: {seconds:.1f} s")
        rows.append(["manage.py " + " ".join(words), f"{seconds:.1f}", f"<= {wanted}"])
    return table(["command", "seconds", "wanted"], rows)
