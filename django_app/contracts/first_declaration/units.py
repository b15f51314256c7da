"""Units of measurement in what a field is called: ``weight (kg)``, ``speed [km/h]``, ``bill_length_mm``."""

from __future__ import annotations

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNITS: Final = _words(
    "m mm cm dm km µm um nm in ft yd mi g kg mg µg ug t lb lbs oz l ml cl dl hl gal s ms µs min h hr hrs d day days week "
    "weeks month months year years yrs a % ‰ pct percent ppm ppb °c °f c f k °k k celsius fahrenheit kelvin ° deg "
    "degrees rad pa hpa kpa mpa bar mbar psi atm mmhg v mv kv w kw mw kwh mwh wh j kj mj kcal cal hz khz mhz ghz n kn "
    "mol mmol µmol iu u b kb mb gb tb bit bits byte bytes bpm rpm mph kph kmh knots kn kts eur usd gbp chf jpy cny inr sek "
    "nok dkk pln czk cad aud nzd brl € $ £ ¥ ct carat carats px pcs pieces units m2 m3 m² m³ cm2 cm3 cm² cm³ mm2 mm² km² ha "
    "sqft sqm acre acres points seconds minutes hours metres meters litres liters grams"
)
#: Last words of a name that are a unit and hardly anything else: "min" may be the smallest, "in" a preposition.
_SUFFIXES: Final = _words(
    "mm cm km kg mg µg ml kwh kw eur usd gbp chf pct percent celsius fahrenheit days hours minutes seconds years months "
    "mph kmh hpa mbar ppm bpm"
)
_BRACKETS: Final = re.compile(r"[(\[]\s*(?:in\s+)?([^()\[\]]{1,16}?)\s*[)\]]")
_WORDS: Final = re.compile(r"\b(?:measured )?in ([^\s.,;:()]{1,16})(?=[.,;:]|\s*$)", re.IGNORECASE)


def unit_of(*texts: str) -> str:
    """Return the unit that one of the texts names, the first that does; empty where none does."""
    for text in texts:
        for found in (*_BRACKETS.findall(text), *_WORDS.findall(text)):
            if _is_unit(found):
                return str(found)
    # A help text that is nothing but a unit. A field's own name is not: "days" may be a count.
    for text in texts[1:]:
        if _is_unit(text):
            return text.strip()
    for text in texts:
        words = text.replace("_", " ").split()
        if len(words) > 1 and words[-1].lower() in _SUFFIXES:
            return words[-1]
    return ""


def without_unit(text: str) -> str:
    """Return a text without a unit in brackets, and without "in kg" where it is all that the text says."""
    if _is_unit(text.strip()):
        return ""
    plain = _BRACKETS.sub(lambda found: "" if _is_unit(found[1]) else found[0], text).strip()
    alone = _WORDS.fullmatch(plain)
    return "" if alone and _is_unit(alone[1]) else plain


def _is_unit(text: str) -> bool:
    parts = [part for part in re.split(r"[/·*^\s]|per\s", text.lower()) if part]
    measured = [re.sub(r"[²³⁻¹]|-?\d+$", "", part) or part for part in parts]
    return bool(parts) and all(
        a in _UNITS or b in _UNITS or b.isdigit() for a, b in zip(parts, measured, strict=True)
    )
