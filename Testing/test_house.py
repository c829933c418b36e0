"""The house's one rule: a room knows only the rooms below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "TumorSynthLib"
DICOM_READING = {f"dicom.{name}" for name in ("headers", "library", "pixels", "reading", "series", "stack")}
# A package is one room, unless its modules are named one by one. What is named nowhere is the command line, on top.
FLOORS = (
    {"errors", "grid", "parameters", "random_fields", "itk_files", "volume_files", "cube", "spheres", "host", "sample"}
    | DICOM_READING,
    {"blending", "mass_effect", "oedema", "calibration", "grain", "networks"},
    {"bundle", "brain_mask", "painting"},
    {"labelling", "composition", "composition_memory", "provenance", "case_files", "synthesis", "pictures"},
    {"background", "dicom", "lesion_lists", "replay", "option_names"},
    {"scene", "cohorts", "reading", "realism"},
)
HEAVY = {"torch", "monai", "SimpleITK", "matplotlib", "rich", "pydicom", "highdicom", "distributed"}
HEAVY |= {"statsmodels", "sklearn", "threadpoolctl"}
WIDGETS = {"qt", "ctk", "PySide6", "workbench", "TumorSynth", "TumorSynthReading"}
FILES = sorted(LIBRARY.rglob("*.py"))


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file) for file in FILES}


def floor_of(module: str) -> int:
    for name in (module, module.split(".")[0]):
        for number, floor in enumerate(FLOORS):
            if name in floor:
                return number
    return len(FLOORS)


def imports(file: Path, at_import_time: bool = False) -> set[str]:
    """Modules of the library by their dotted names below it, and the packages that an import of this file pulls in."""
    tree = ast.parse(file.read_text())
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in tree.body if at_import_time else ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.ImportFrom):
            found |= _from(node, file)
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def _from(node: ast.ImportFrom, file: Path) -> set[str]:
    module = node.module or ""
    if node.level:
        above = file.relative_to(LIBRARY).parts[: -node.level] if file.is_relative_to(LIBRARY) else ()
        module = ".".join([*above, *([module] if module else [])])
    elif module.split(".")[0] == "TumorSynthLib":
        module = module.removeprefix("TumorSynthLib").strip(".")
    else:
        return {module.split(".")[0]}
    inner = {".".join(filter(None, (module, alias.name))) for alias in node.names}
    return {name for name in inner if name in MODULES} or {module}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_imports_only_from_its_own_floor_or_below(file):
    name = name_of(file)
    siblings = imports(file) & MODULES - {""}
    above = {other for other in siblings if floor_of(other) > floor_of(name)}
    assert name in ("", "__main__") or not above, f"{name} reaches up to {sorted(above)}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_library_knows_no_widgets_and_no_training(file):
    assert not imports(file) & (WIDGETS | {"training"})


@pytest.mark.parametrize("file", [f for f in FILES if name_of(f).split(".")[0] != "scene"], ids=name_of)
def test_only_the_scene_knows_slicer(file):
    assert not imports(file) & {"slicer", "vtk"}


MODULE_FILES = sorted(file for name in ("TumorSynth", "TumorSynthReading") for file in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("file", MODULE_FILES, ids=lambda f: f.stem)
def test_the_module_knows_slicer_but_not_its_stand_in(file):
    assert not imports(file) & {"PySide6", "workbench", "training"}
    assert not imports(file, at_import_time=True) & HEAVY


@pytest.mark.parametrize("file", [f for f in FILES if floor_of(name_of(f)) < len(FLOORS)], ids=name_of)
def test_heavy_packages_wait_until_they_are_used(file):
    assert not imports(file, at_import_time=True) & HEAVY


def test_importing_the_library_costs_nothing():
    code = "import sys, TumorSynthLib; print(sorted({'torch', 'monai', 'numpy', 'SimpleITK'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
