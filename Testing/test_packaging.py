"""What Slicer's build, its Extensions Index and an installed extension need to agree."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CMAKE = (ROOT / "CMakeLists.txt").read_text()
ENTRY = json.loads((ROOT / "TumorSynth.json").read_text())


LISTS = [ROOT / "TumorSynthFiles.cmake", *(ROOT / f / "ModuleFiles.cmake" for f in ("TumorSynth", "TumorSynthReading"))]


def cmake_value(name: str) -> str:
    return re.search(rf'set\({name} "(.*)"\)', CMAKE).group(1)


def listed(file: Path) -> set[Path]:
    names = (line.strip() for line in file.read_text().splitlines() if line.startswith("  "))
    return {file.parent / name for name in names if name != ")"}


def tracked(*folders: str) -> set[Path]:
    answer = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return {ROOT / name for name in answer.stdout.split("\0") if name}


def test_every_runtime_file_is_installed():
    runtime = tracked("TumorSynth", "TumorSynthReading", "TumorSynthLib", "Resources")
    wanted = {file for file in runtime if file.suffix not in (".cmake", ".txt")}
    installed = set().union(*map(listed, LISTS))
    missing = sorted(str(f.relative_to(ROOT)) for f in wanted - installed if f.exists())
    assert not missing, f"not installed: {missing}; run python tools/list_runtime_files.py"


def test_nothing_is_listed_that_is_not_there():
    for file in LISTS:
        gone = sorted(str(f) for f in listed(file) if not f.is_file())
        assert not gone, f"{file.name} lists {gone}; run python tools/list_runtime_files.py"


def test_index_entry_and_cmake_agree():
    assert ENTRY["category"] == cmake_value("EXTENSION_CATEGORY") == "Image Synthesis"
    assert ENTRY["build_dependencies"] == cmake_value("EXTENSION_DEPENDS").split(";")
    assert ENTRY["scm_url"].removesuffix(".git") == cmake_value("EXTENSION_HOMEPAGE")
    assert re.search(r"project\((\w+)\)", CMAKE).group(1) == "TumorSynth" == Path(ENTRY["scm_url"]).stem


def test_index_entry_follows_the_schema():
    """The catalog entry's schema: these keys, no others, tier 1, 3 or 5."""
    assert set(ENTRY) == {
        "$schema",
        "build_dependencies",
        "build_subdirectory",
        "category",
        "scm_revision",
        "scm_url",
        "tier",
    }
    assert ENTRY["tier"] in (1, 3, 5)


@pytest.mark.parametrize("name", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_pictures_named_for_the_index_are_in_the_repository(name):
    for url in cmake_value(name).split():
        path = ROOT / url.split("/main/", 1)[1]
        assert path.is_file(), f"{name} names {path}"


ICONS = sorted(icon for file in LISTS[1:] for icon in (file.parent / "Resources" / "Icons").glob("*.png"))


@pytest.mark.parametrize("icon", ICONS, ids=lambda f: f.stem)
def test_icons_are_128_pixels_wide(icon):
    width, height = struct.unpack(">II", icon.read_bytes()[16:24])
    assert (width, height) == (128, 128)


def test_the_module_is_in_the_category_of_the_index():
    module = (ROOT / "TumorSynth" / "TumorSynth.py").read_text()
    assert 'translate("qSlicerAbstractCoreModule", "Image Synthesis")' in module


def test_the_repository_with_its_history_stays_under_100_mb():
    """What a clone brings: not what else the checkout's object store holds, such as everything twice after a fetch."""
    command = ["git", "rev-list", "--objects", "--disk-usage", "HEAD"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0 < int(answer.stdout) < 100_000_000


def test_an_installed_module_finds_library_and_weights(tmp_path):
    """Files laid out as CMake installs them, all in one folder, with nothing else on the path."""
    for file in listed(ROOT / "TumorSynthFiles.cmake"):
        if file.is_file():
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    code = (
        "import sys;"
        "sys.path = [p for p in sys.path if 'site-packages' in p or 'lib/python' in p or p.endswith('.zip')];"
        f"sys.path.insert(0, {str(tmp_path)!r});"
        "import TumorSynthLib; from TumorSynthLib.bundle import Bundle, list_bundles;"
        "from TumorSynthLib.sample import SAMPLE_BRAIN;"
        "print(TumorSynthLib.__file__, list_bundles(), Bundle.find('default').file_of('mask'), SAMPLE_BRAIN.is_file())"
    )
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert str(tmp_path) in answer.stdout
    assert "'default'" in answer.stdout and answer.stdout.strip().endswith("True")
