"""`slicer.packaging` of Slicer 5.12: which Python packages are there, and installing those that are not.

Covers `load_requirements`, `pip_check`, `pip_ensure`, `pip_install` and `pip_uninstall`, with the arguments
`requirements`, `constraints`, `prompt_install`, `requester` and `skip_in_testing`; the others are accepted and unused.
Installs into the environment that the workbench runs in. Not covered: progress windows, installing in the background,
restarting.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import shlex
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import slicer
import slicer.util
from packaging.requirements import InvalidRequirement, Requirement

Requirements = str | Requirement | list[str | Requirement]


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a requirements.txt, without comments and pip's own options."""
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def _as_requirements(requirements: Requirements) -> list[Requirement]:
    if isinstance(requirements, str):
        try:
            return [Requirement(requirements)]
        except InvalidRequirement:
            requirements = requirements.split()
    if isinstance(requirements, Requirement):
        requirements = [requirements]
    return [Requirement(one) if isinstance(one, str) else one for one in requirements]


def pip_check(req: Requirements) -> bool:
    """Whether everything is installed in a fitting version; extras are not looked into."""
    return all(_is_met(requirement) for requirement in _as_requirements(req))


def _is_met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return importlib.metadata.version(requirement.name) in requirement.specifier
    except importlib.metadata.PackageNotFoundError:
        return False


def pip_ensure(
    requirements: Requirements,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    """Installs what is missing, after asking; RuntimeError when the answer is no."""
    missing = [str(requirement) for requirement in _as_requirements(requirements) if not pip_check(requirement)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return
    question = f"{requester or 'This module'} needs: {', '.join(missing)}. Install?"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(question, "Install Python packages?"):
        raise RuntimeError(f"{', '.join(missing)} not installed, as you wished")
    pip_install(missing, constraints)


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    logCallback: Callable[[str], None] | None = None,
    **unused: object,
) -> None:
    """Runs pip; CalledProcessError, with pip's last words, when it fails."""
    arguments = shlex.split(requirements) if isinstance(requirements, str) else [str(one) for one in requirements]
    _run_pip(["install", *arguments, *([] if constraints is None else ["-c", str(constraints)])], logCallback)


def pip_uninstall(requirements: str | list[str], **unused: object) -> None:
    arguments = shlex.split(requirements) if isinstance(requirements, str) else [str(one) for one in requirements]
    _run_pip(["uninstall", "--yes", *arguments], None)


def _run_pip(arguments: list[str], log: Callable[[str], None] | None) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            lines.append(line.rstrip())
            (log or print)(lines[-1])
    importlib.invalidate_caches()
    if process.returncode:
        said = "\n".join(lines[-5:])
        raise subprocess.CalledProcessError(process.returncode, command, output=said, stderr=said)


def make_packaging_module() -> types.ModuleType:
    module = types.ModuleType("slicer.packaging", __doc__)
    for public in (load_requirements, pip_check, pip_ensure, pip_install, pip_uninstall):
        setattr(module, public.__name__, public)
    return module
