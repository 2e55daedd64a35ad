"""The tests mirror the source tree: the test of a module is found by its name."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SMALL = 45
"""Lines of code of a module that may do without tests of its own."""


def _lines_of_code(file: Path) -> int:
    """Lines that hold code: no comments, docstrings or blank lines."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.expr | ast.alias | ast.arg):
            lines |= {node.lineno, node.end_lineno or node.lineno}
        elif isinstance(node, ast.stmt):
            lines.add(node.lineno)
    return len(lines)


def _tests_of(file: Path) -> list[Path]:
    """Where the tests of a module may be: under its name, or its folder's for a whole family."""
    folder = ROOT / "tests" / file.relative_to(ROOT).parent
    family = f"test_{file.parent.name}.py"
    return [folder / f"test_{file.stem}.py", folder / family, folder.parent / family]


def _has_tests(file: Path) -> bool:
    return any(tests.exists() for tests in _tests_of(file))


def test_every_module_has_its_tests_at_the_mirrored_place():
    files: list[Path] = []
    for package in ("muse", "manifests", "pipeline", "jobs"):
        files += (ROOT / package).rglob("*.py")
    modules = [file for file in files if file.name != "__init__.py"]
    large = [file for file in modules if _lines_of_code(file) > SMALL]
    assert [str(file.relative_to(ROOT)) for file in large if not _has_tests(file)] == []
