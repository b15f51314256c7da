"""docs/reference/modules.md: packages and their modules."""

from __future__ import annotations

from generator.source_code import NOTE, cell, first_line, link, modules, short


def modules_page() -> str:
    """Return the page of packages and modules, each with the first line of its docstring."""
    parts = [
        NOTE,
        "# Modules\n",
        "Each package with its modules, and what each is for.",
        "[The architecture page](../explanation/architecture.md) says how they work together.\n",
    ]
    packages = [module for module in modules() if module.path.name == "__init__.py"]
    for package in packages:
        inside = [m for m in modules() if m.path.parent == package.path.parent and m is not package]
        said = first_line(package.tree)
        if not inside and not said:
            continue
        depth = "##" if "." not in package.name else "###"
        parts.append(f"{depth} {package.name}\n")
        if said:
            parts.append(f"{cell(said)}\n")
        if inside:
            parts += ["| module | what it is for |", "|---|---|"]
            parts += [f"| [{short(m)}]({link(m.path)}) | {cell(first_line(m.tree))} |" for m in inside]
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"
