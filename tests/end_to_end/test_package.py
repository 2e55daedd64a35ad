"""The package as users install it: its metadata, its files, and runs in plain environments."""

import ast
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import packages

PACKAGES = ("muse", "manifests", "pipeline", "jobs")
PROJECT = tomllib.loads((packages.ROOT / "pyproject.toml").read_text())["project"]
QUICK = ["--workers", "1", "--set", "method.steps=6", "--min-confidence", "0.2"]


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _imports(file: Path) -> set[str]:
    """The top-level modules that a file imports when it runs, without the standard library."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {*PACKAGES}


@pytest.mark.parametrize(
    ("package", "extras"),
    [("muse", ()), ("manifests", ("hub",)), ("pipeline", ("export",)), ("jobs", ("evaluate",))],
)
def test_what_a_package_imports_is_declared(package, extras):
    declared = {_name(requirement) for requirement in PROJECT["dependencies"]}
    for extra in extras:
        declared |= {_name(entry) for entry in PROJECT["optional-dependencies"][extra]}
    distributions = packages_distributions()
    missing = {}
    for file in (packages.ROOT / package).rglob("*.py"):
        for module in _imports(file):
            if not declared & {_name(name) for name in distributions[module]}:
                missing[module] = str(file)
    assert missing == {}


def test_every_package_says_that_it_is_typed():
    assert all((packages.ROOT / package / "py.typed").exists() for package in PACKAGES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return packages.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a manifest of two rows, and modules of the user's named like ours."""
    table = pa.table({"prompt": ["a dog on a beach", "a cat by a pond"], "emotion": ["awe"] * 2})
    pq.write_table(table, tmp_path / "manifest.parquet")
    for name in ("pipeline.py", "manifests.py"):
        (tmp_path / name).write_text("raise RuntimeError('a module of the user')")
    return tmp_path


@pytest.mark.slow
def test_the_wheel_holds_what_a_run_needs_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    tops = {name.partition("/")[0] for name in sizes}
    assert tops - {*PACKAGES} == {f"muse_batch-{PROJECT['version']}.dist-info"}
    assert {f"{package}/py.typed" for package in PACKAGES} <= sizes.keys()
    for folder in ("muse/mini/weights", "manifests/examples"):
        for file in (packages.ROOT / folder).rglob("*"):
            name = str(file.relative_to(packages.ROOT))
            assert file.is_dir() or sizes[name] == file.stat().st_size
    # What only training, evaluation and measurements need may come along while it is small.
    assert sum(size for name, size in sizes.items() if name.startswith("jobs/")) < 500_000


def _assert_lowest(found: dict[str, str]) -> None:
    """Each bound is a release that was installed: none is lower than its neighbours allow."""
    for requirement in map(Requirement, PROJECT["dependencies"]):
        if requirement.name != "torch":
            (bound,) = requirement.specifier
            assert Version(found[requirement.name]) == Version(bound.version), requirement


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("releases", ["pinned", "lowest"])
def test_installed_it_runs_the_demo_from_any_folder(wheel, folder, releases):
    """With the releases of constraints.txt, and with the lowest that pyproject.toml allows."""
    requirements = packages.resolve(releases)
    commands = packages.install(folder / "installation", wheel, requirements)
    if releases == "lowest":
        _assert_lowest(packages.installed(commands / "python"))
    arguments = ["manifest.parquet", "--output", "out", *QUICK]
    packages.call(commands / "muse-batch", "run", *arguments, cwd=folder)
    rows = pq.read_table(folder / "out" / "metadata.parquet").to_pylist()
    assert [row["status"] for row in rows if row["status"] != "failed"]
    packages.call(commands / "muse-batch", "verify", "out", cwd=folder)
    packages.call(commands / "muse-batch", "example", cwd=folder)
    build = ["manifest", "build", "example/images", "--emotions", "awe", "-o", "images.parquet"]
    packages.call(commands / "muse-batch", *build, cwd=folder)
