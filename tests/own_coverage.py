"""How many of a module's lines its own tests run, and all tests together: `make coverage` prints it.

Own are the tests of test_<module>.py, test_<folder>_<module>.py or test_<folder>.py. Lines that run
when the module is imported count. Commands and servers that tests start as processes of their own do not.
"""

from __future__ import annotations

import sys
from pathlib import Path

from coverage import Coverage, CoverageData

from tests.conftest import ROOT

HERE = Path(__file__).parent


def test_files(module: Path) -> list[str]:
    """The names of the module's own test files."""
    names = [f"test_{module.stem}.py", f"test_{module.parent.name}_{module.stem}.py", f"test_{module.parent.name}.py"]
    return [name for name in names if (HERE / name).exists()]


def share(lines: set[int], statements: set[int]) -> str:
    return f"{len(lines & statements) / len(statements):6.0%}"


def main(file: str) -> None:
    data = CoverageData(file)
    data.read()
    coverage = Coverage(file)
    coverage.load()
    print(f"{'own':>6} {'all':>6}  module")
    for name in sorted(data.measured_files()):
        module = Path(name)
        statements = set(coverage.analysis2(name)[1])
        if not statements or module.name == "__init__.py":
            continue
        by_line = data.contexts_by_lineno(name)
        files = test_files(module)
        own = {
            line
            for line, contexts in by_line.items()
            if any(not c or c.startswith(tuple(f"tests/{each}::" for each in files)) for c in contexts)
        }
        shown = share(own, statements) if files else "     -"
        print(f"{shown} {share(set(by_line), statements)}  {module.relative_to(ROOT)}  {' '.join(files)}")


if __name__ == "__main__":
    main(sys.argv[1])
