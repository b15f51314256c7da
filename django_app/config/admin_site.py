"""How the admin looks: its name, its symbol, and the navigation next to its first page.

The first page itself is Unfold's list of what each app's ``admin.py`` registers.
"""

from __future__ import annotations

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Hotclub",
    "SITE_HEADER": "Hotclub",
    "SITE_SYMBOL": "music_note",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}
