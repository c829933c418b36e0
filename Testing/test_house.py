"""The house's one rule: a room knows only the rooms below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parent.parent / "TumorSynthLib"
FLOORS = (
    {"errors", "grid", "parameters", "random_fields", "itk_files", "volume_files", "cube", "spheres", "host", "sample"},
    {"blending", "mass_effect", "oedema", "calibration", "networks"},
    {"bundle", "brain_mask", "painting"},
    {"labelling", "composition", "provenance", "case_files", "synthesis", "pictures"},
)
HEAVY = {"torch", "monai", "SimpleITK", "matplotlib", "rich"}


def floor_of(module: str) -> int:
    return next((number for number, floor in enumerate(FLOORS) if module in floor), len(FLOORS))


def imports(file: Path, at_import_time: bool) -> set[str]:
    """Names of sibling modules, or of packages that an import of this file would pull in."""
    tree = ast.parse(file.read_text())
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    nodes = ast.walk(tree) if not at_import_time else tree.body
    found = set()
    for node in nodes:
        if node in guarded:
            continue
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            inside = node.level == 1 or module.startswith("TumorSynthLib")
            module = module.removeprefix("TumorSynthLib").strip(".")
            found |= {module.split(".")[0]} if module else {alias.name for alias in node.names} if inside else set()
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


@pytest.mark.parametrize("file", sorted(LIBRARY.glob("*.py")), ids=lambda f: f.stem)
def test_a_module_imports_only_from_its_own_floor_or_below(file):
    siblings = imports(file, at_import_time=False) & {f.stem for f in LIBRARY.glob("*.py")}
    above = {name for name in siblings if floor_of(name) > floor_of(file.stem)}
    assert file.stem in ("__init__", "__main__") or not above, f"{file.name} reaches up to {sorted(above)}"


@pytest.mark.parametrize("file", sorted(LIBRARY.glob("*.py")), ids=lambda f: f.stem)
def test_the_library_never_uses_training(file):
    assert "training" not in imports(file, at_import_time=False)


@pytest.mark.parametrize("module", sorted(set().union(*FLOORS)))
def test_heavy_packages_wait_until_they_are_used(module):
    assert not imports(LIBRARY / f"{module}.py", at_import_time=True) & HEAVY


def test_importing_the_library_costs_nothing():
    code = "import sys, TumorSynthLib; print(sorted({'torch', 'monai', 'numpy', 'SimpleITK'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
