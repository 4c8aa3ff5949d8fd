"""Measure the hub: all scenarios, or some.

    make bench                          all of them, some five minutes
    make bench ARGS="--short"           fewer connections and rounds: whether everything runs, not how fast
    make bench ARGS="durable idle"      some of them

Each scenario is a module of `benchmarks.scenarios` with `measure(run)`, which yields figures. The result is a
table, and `var/bench.json`.
"""

from __future__ import annotations

import argparse
import ast
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure, table, write_json
from benchmarks.machine import allow_open_files
from benchmarks.production import empty, production
from benchmarks.run import Run

SCENARIOS = Path(__file__).with_name("scenarios")
RESULT = Path("var/bench.json")


def names() -> list[str]:
    """Every scenario there is."""
    return sorted(path.stem for path in SCENARIOS.glob("[a-z]*.py"))


def path_of(name: str) -> Path:
    """Where a scenario is written."""
    return SCENARIOS / f"{name}.py"


def read_options() -> argparse.Namespace:
    """The command line."""
    about = [f"  {name:<12} {ast.get_docstring(ast.parse(path_of(name).read_text()))}" for name in names()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="\n".join(["scenarios:", *about]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", help="which (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer connections and rounds")
    parser.add_argument(
        "--json", type=Path, default=RESULT, help=f"where to keep the figures (default: {RESULT})"
    )
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(names()):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    return options


def main() -> None:
    """Measure, show and keep."""
    options = read_options()
    run = Run(is_short=options.short, open_files=allow_open_files())
    figures: list[Figure] = []
    with production():
        for name in options.scenarios or names():
            print(f"── {name}", flush=True)
            for figure in import_module(f"benchmarks.scenarios.{name}").measure(run):
                print(f"   {figure.name}: {figure.value:.4g} {figure.unit}", flush=True)
                figures.append(figure)
            empty()
    print(f"\n{table(figures)}")
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
