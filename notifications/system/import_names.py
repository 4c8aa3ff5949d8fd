"""Finds packages that would be imported by the same name as the hub.

The hub and another package of its name cannot stand side by side: whichever is installed last silently
overwrites files of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def other_packages(name: str, own_folder: Path, search_paths: Iterable[str]) -> list[Path]:
    """Return the modules and packages called ``name`` on the search path, except the one in ``own_folder``.

    Args:
        name: of a top-level module.
        own_folder: the folder from which it was imported.
        search_paths: folders, in the order of ``sys.path``; those that do not exist are skipped.

    Returns:
        Their files, each once, in the order of the search path. A folder without ``__init__.py`` is left out,
        because it is never imported before a package that has one.
    """
    candidates = (
        Path(folder, relative)
        for folder in search_paths
        for relative in (f"{name}/__init__.py", f"{name}.py")
    )
    own = own_folder.resolve()
    found = (path.resolve() for path in candidates if path.is_file())
    return list(dict.fromkeys(path for path in found if path.parent != own))


def installed_by(name: str, own_folder: Path) -> list[str]:
    """Return the distributions installed beside ``own_folder`` that have a package called ``name``.

    With more than one, the folder holds a mixture of their files. It reads one text for each distribution,
    which takes some hundredths of a second, and nothing when the folder is in no place for installed
    packages.

    Returns:
        Names with versions, such as ``some-package-1.8.3``, sorted.
    """
    records = own_folder.parent.glob("*.dist-info/RECORD")
    first_file = f"{name}/__init__.py,"
    return sorted(
        record.parent.name.removesuffix(".dist-info")
        for record in records
        if any(line.startswith(first_file) for line in record.read_text("utf-8", "replace").splitlines())
    )
