"""`Workbench`: the whole thing opened, for programs and tests alike. Import it from `workbench`."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorSynthLib.errors import InputError, ResourceError

from .opengl import find_opengl
from .screen import draw_off_screen, why_no_screen

if TYPE_CHECKING:
    import slicer
    from PySide6.QtGui import QImage

    from .layout import ViewWidget

SIZE = (1400, 900)
IDLE_SECONDS = 0.6
REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("slicer", "vtkmodules", "PySide6")


def require_packages() -> None:
    """The extra `app` is not part of every installation."""
    if any(importlib.util.find_spec(name) is None for name in PACKAGES):
        raise ResourceError('the workbench is not installed; install it with: pip install "tumorsynth[app]"')


def module_file(module: str) -> Path:
    """The file of a module of this repository, or of another one given by its path."""
    file = Path(module) if module.endswith(".py") else REPOSITORY / module / f"{module}.py"
    if not file.is_file():
        raise InputError(f"--module {module}: no such module; {file} does not exist")
    return file.resolve()


class Workbench:
    """An open workbench: the window, the scene and the hosted module. One a process at a time; `open` makes it."""

    _opened: Workbench | None = None

    @classmethod
    def open(
        cls,
        size: tuple[int, int] = SIZE,
        module: str | None = "TumorSynth",
        *,
        settings_file: Path | None = None,
        testing: bool = False,
    ) -> Workbench:
        """Opens the window, in memory where there is no screen. Raises `NoOpenGL` where nothing can be drawn.

        `module` is the name of a module of this repository, the path of another one, or None. Settings go to a file
        that is thrown away unless `settings_file` is given. While `testing`, no message box waits for a person, as in
        Slicer.
        """
        if cls._opened is not None:
            raise RuntimeError("a workbench is open already in this process: close it first")
        require_packages()
        find_opengl()
        if why_no_screen():
            draw_off_screen()
        cls._opened = bench = cls(size, settings_file, testing)
        if module is not None:
            try:
                bench.show_module(module)
            except BaseException:
                bench.close()
                raise
        return bench

    @classmethod
    def current(cls) -> Workbench | None:
        """The one that is open in this process."""
        return cls._opened

    def __init__(self, size: tuple[int, int], settings_file: Path | None, testing: bool) -> None:
        from .application import WorkbenchApplication, qt_application
        from .driving import Keyboard, Mouse
        from .layout import LayoutManager
        from .python_layer import adopt, install
        from .scene_core import SceneCore
        from .window import MainWindow

        self.qt_application = qt_application()
        self.core = SceneCore()
        self.layout_manager = adopt(LayoutManager(self.core))
        self.application = WorkbenchApplication(self.core, self.layout_manager, settings_file, testing)
        install(self.application)
        self.window = MainWindow(self.application)
        self.window.before_closing = self.leave_module
        self.mouse, self.keyboard = Mouse(self), Keyboard(self)
        self.module_widget: Any = None
        self.window.resize(*size)
        self.window.show()
        self.process_events()

    @property
    def scene(self) -> slicer.vtkMRMLScene:
        return self.core.scene

    def view(self, name: str) -> ViewWidget:
        return self.layout_manager.find(name)

    def key(self, key: str, held: str = "", view: str | None = None) -> None:
        self.keyboard.press(key, held, view)

    def process_events(self, seconds: float = 0) -> None:
        """Lets Qt do what is due, drawing included; for at least so many seconds."""
        from PySide6.QtCore import QEvent

        from .repainting import queue

        end = time.monotonic() + seconds
        while True:
            self.qt_application.processEvents()
            # Objects that are to be deleted later wait for an event loop, which a script does not have.
            self.qt_application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            is_over = time.monotonic() >= end
            if is_over and queue.is_empty:
                return
            if not is_over:
                time.sleep(0.002)

    # -- the module

    def show_module(self, module: str) -> None:
        """Loads a scripted module, by the name of one in this repository or by the path of its file, and enters it."""
        from .python_layer import load_scripted_module

        file = module_file(module)
        self.window.panel.title.setText(f"Loading {file.stem}...")
        self.process_events()
        try:
            loaded = self.application.moduleManager().loadModule(file)
            # In Slicer this comes when all modules are loaded and before any is shown.
            self.application.startupCompleted.emit()
            self.module_widget = load_scripted_module(file, self.window.panel.place)
        except BaseException:
            self.window.show_no_module()
            raise
        self.window.show_title(file.stem, loaded.title or file.stem)
        self.process_events()

    def leave_module(self) -> None:
        if self.module_widget is not None:
            self.module_widget.parent.exit()
            self.application.moduleManager().unloadModules()
            self.module_widget = None
            self.process_events()
            self.window.show_no_module()
            self.process_events()

    def busy(self) -> bool:
        """Whether the module is at work in the background, as far as it says so (`isBusy()` of its widget)."""
        says = getattr(self.module_widget, "isBusy", None)
        return bool(says()) if callable(says) else False

    def settle(self, seconds: float = 60) -> bool:
        """Waits until the module has been idle for a while; False when it still is at work after so many seconds."""
        end = time.monotonic() + seconds
        idle_since = None
        while time.monotonic() < end:
            self.process_events(0.02)
            if self.busy():
                idle_since = None
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS:
                return True
        return False

    # -- files and scenes

    def load_volume(self, path: str | Path) -> slicer.vtkMRMLVolumeNode:
        """A volume file or DICOM folder, shown in all slice views; `InputError` where it cannot be read."""
        from . import files

        node = files.load_volume(self.core, Path(path))
        self.process_events()
        return node

    def save_scene(self, path: str | Path) -> None:
        """A bundle where the name ends in .mrb, else a folder."""
        from . import files

        files.save_scene(self.core, Path(path))
        self.process_events()

    def load_scene(self, path: str | Path) -> None:
        """Replaces the scene by a saved one."""
        from . import files

        files.open_scene(self.core, Path(path))
        self.process_events()

    def close_scene(self) -> None:
        self.scene.Clear(False)
        self.process_events()

    def start_afresh(self) -> None:
        """As if just opened: empty scene, four-up layout, nothing held or switched on. The module stays."""
        from .layout import DEFAULT_LAYOUT

        self.mouse.let_go()
        self.scene.Clear(False)
        self.core.interaction_node.SwitchToViewTransformMode()
        self.core.crosshair_node.SetCrosshairMode(0)
        self.core.layout_node.RemoveAllMaximizedViewNodes()
        self.layout_manager.setLayout(DEFAULT_LAYOUT)
        self.window.messages.shown.clear()
        self.process_events()

    # -- pictures and the end

    def run(self) -> int:
        """Qt's event loop, until the window is closed."""
        code = self.qt_application.exec()
        self.close()
        return code

    def picture(self) -> QImage:
        """The whole window as it is now."""
        self.process_events()
        return self.window.grab().toImage()

    def close(self) -> None:
        """Leaves the module, closes the window and takes temporary files away."""
        if type(self)._opened is not self:
            return
        self.application.aboutToQuit.emit()
        self.window.asks_before_closing = False
        self.window.close()
        self.window.let_go()
        self.layout_manager.close()
        self.application.settings().sync()  # else it would be written, folder and all, when it is thrown away
        self.core.close()
        self.window.deleteLater()
        self.process_events()
        type(self)._opened = None
