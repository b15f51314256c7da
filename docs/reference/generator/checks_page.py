"""docs/reference/checks.md: the expectations that a source's `checks` may name."""

from __future__ import annotations

from generator.source_code import cell, code, page, table
from hotclub import expectations
from hotclub.expectations import Argument

#: What every expectation takes and no rule depends on.
_NOTES = ("description", "meta", "notes")


def checks_page() -> str:
    """Return the page of expectations: those that may be used with their arguments, and the others with the reason."""
    found = expectations.signatures()
    usable = [
        [
            code(name),
            ", ".join(
                _argument(key, a) for key, a in _ordered(signature.arguments.items()) if key not in _NOTES
            ),
            ", ".join(signature.column_types) or "any",
        ]
        for name, signature in sorted(found.usable.items())
    ]
    refused = [[code(name), cell(reason)] for name, reason in sorted(found.refused.items())]
    return page(
        "# Checks\n",
        "The expectations of Great Expectations that a `Check` of a [source](declarations.md#source) may name.",
        "`python -m data_checks signatures` reads them from the installed version.\n",
        "An argument in **bold** is required.",
        f"Each takes also {', '.join(map(code, _NOTES))}, which change no result, and the `severity` of [Check](declarations.md#check).\n",
        "## What may be used\n",
        *table(["expectation", "arguments", "types of columns"], usable),
        "## What is refused\n",
        *table(["expectation", "why"], refused),
    )


def _ordered(arguments: object) -> list[tuple[str, Argument]]:
    pairs: list[tuple[str, Argument]] = list(arguments)  # type: ignore[call-overload]  # items() of a mapping
    return sorted(pairs, key=lambda pair: (not pair[1].required, pair[0]))


def _argument(name: str, argument: Argument) -> str:
    shown = f"**{code(name)}**" if argument.required else code(name)
    ends = [f"{end:g}" for end in (argument.minimum, argument.maximum) if end is not None]
    if argument.choices:
        return f"{shown} ({' or '.join(code(choice) for choice in argument.choices)})"
    return f"{shown} ({' to '.join(ends)})" if len(ends) == 2 else shown
