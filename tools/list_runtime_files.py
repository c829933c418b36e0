"""Writes the CMake lists of all files that an installed extension needs: `python tools/list_runtime_files.py`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = (ROOT / "TumorSynth", ROOT / "TumorSynthReading")
LEFT_OUT = ("__pycache__", "CMakeLists.txt", ".cmake", ".pyc")
HEADER = "# Made by `python tools/list_runtime_files.py`: run it after adding or removing a file.\n"


def files_under(folder: Path, root: Path) -> list[str]:
    files = (f for f in folder.rglob("*") if f.is_file() and not f.name.startswith("."))
    return sorted(f.relative_to(root).as_posix() for f in files if not any(word in f.as_posix() for word in LEFT_OUT))


def cmake_list(name: str, files: list[str]) -> str:
    return "\n".join([f"set({name}", *(f"  {file}" for file in files), "  )\n"])


def lists() -> dict[Path, str]:
    """What each list file should say."""
    library, resources = files_under(ROOT / "TumorSynthLib", ROOT), files_under(ROOT / "Resources", ROOT)
    wanted = {
        ROOT / "TumorSynthFiles.cmake": HEADER
        + cmake_list("TUMORSYNTH_PYTHON_SCRIPTS", [f for f in library if f.endswith(".py")])
        + cmake_list("TUMORSYNTH_RESOURCES", resources + [f for f in library if not f.endswith(".py")])
    }
    for module in MODULES:
        files = files_under(module, module)
        wanted[module / "ModuleFiles.cmake"] = (
            HEADER
            + cmake_list("MODULE_PYTHON_SCRIPTS", [f for f in files if f.endswith(".py")])
            + cmake_list("MODULE_PYTHON_RESOURCES", [f for f in files if not f.endswith(".py")])
        )
    return wanted


if __name__ == "__main__":
    for file, text in lists().items():
        file.write_text(text)
        print(file.relative_to(ROOT))
