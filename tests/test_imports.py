"""How modules may import one another."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("muse", "manifests", "pipeline", "jobs")

MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
}


def imported_names(module: str) -> set[str]:
    """All that a module imports anywhere, also for type checking alone."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= members & MODULES.keys() or {node.module}
    return names


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: imported_names(module) & MODULES.keys() - {module} for module in MODULES}
    assert graph["muse.engine.engine"] >= {"muse.engine.setup", "muse.engine.state"}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("import circle: " + " -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("package", "others"),
    [
        ("muse", {"manifests", "pipeline", "jobs", "ray"}),
        ("manifests", {"muse", "pipeline", "jobs", "ray"}),
        ("pipeline", {"jobs"}),
    ],
)
def test_a_package_imports_only_those_below_it(package, others):
    # `python -m pipeline` is the whole command, with the one of jobs.
    modules = [name for name in MODULES if name.split(".")[0] == package]
    for module in modules:
        if module != "pipeline.__main__":
            imported = {name.split(".")[0] for name in imported_names(module)}
            assert not imported & others, module


def test_ray_is_imported_by_the_executor_and_by_what_measures_or_submits():
    importing = {
        module
        for module in MODULES
        if any(name.split(".")[0] == "ray" for name in imported_names(module))
    }
    allowed = {
        "pipeline.scheduling.executors.ray_executor",
        "pipeline.scheduling.executors.ray_metrics",
    }
    assert {module for module in importing if not module.startswith("jobs.")} <= allowed
