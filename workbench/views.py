"""Slicer's slice and 3D views, rendered off screen. Knows nothing of Qt: `canvas.py` shows them and feeds them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import slicer
import vtk

# Neither is used by name, but without them VTK finds no class that renders, nor text.
import vtkmodules.vtkRenderingFreeType
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
from vtkmodules.util.numpy_support import vtk_to_numpy

from TumorSynthLib.scene.observations import Observations

from .scene_core import SceneCore

# In the order in which desktop Slicer registers them: the first is asked first about a mouse event.
SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLTransformsDisplayableManager3D",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
# Where the camera stands and what is up, in the order of a view node's axis labels: L, R, P, A, I, S.
LOOKS = (
    ((-1, 0, 0), (0, 0, 1)),
    ((1, 0, 0), (0, 0, 1)),
    ((0, -1, 0), (0, 0, 1)),
    ((0, 1, 0), (0, 0, 1)),
    ((0, 0, -1), (0, 1, 0)),
    ((0, 0, 1), (0, 1, 0)),
)
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "swiftshader")
SCREEN_SCALE = 0.2  # Slicer's own


@functools.cache
def draws_in_software() -> bool:
    """Whether OpenGL is done by the processor; asks a window of its own, once."""
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetSize(1, 1)
    window.Render()
    told = window.ReportCapabilities().lower()
    window.Finalize()
    return any(name in told for name in SOFTWARE_RENDERERS)


class RenderedView:
    """What slice and 3D views share: a render window, its interactor, and Slicer's displayable managers in between."""

    def __init__(
        self, core: SceneCore, factory: vtk.vtkObject, managers: tuple[str, ...], style: vtk.vtkObject
    ) -> None:
        self.core = core
        self.on_render_request: Callable[[], None] = lambda: None
        self.needs_render = True
        self.renderer = vtk.vtkRenderer()
        self.render_window = vtk.vtkRenderWindow()
        self.render_window.SetOffScreenRendering(True)
        self.render_window.ShowWindowOff()
        self.render_window.SetMultiSamples(0)  # with more, translucent surfaces vanish on software OpenGL
        self.render_window.SetSize(1, 1)
        self.render_window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.render_window)
        self.interactor.EnableRenderOff()  # who asks the interactor for a picture gets it with the next paint event
        self.interactor.Initialize()
        self._observed = Observations()
        self._observed.add(self.interactor, vtk.vtkCommand.RenderEvent, self._on_request)
        self.manager_group = slicer.vtkMRMLDisplayableManagerGroup()
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.manager_group.Initialize(factory, self.renderer)
        self._observed.add(self.manager_group, vtk.vtkCommand.UpdateEvent, self._on_request)
        self.style = style
        self.style.SetDisplayableManagers(self.manager_group)
        self._pixels = vtk.vtkUnsignedCharArray()

    def _watch_mouse(self) -> None:
        # A style of VTK's own would take keys such as "q" and "3" for itself; this one ignores everything.
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.style.SetInteractor(self.interactor)

    def _on_request(self, *_: object) -> None:
        self.request_render()

    def request_render(self) -> None:
        self.needs_render = True
        self.on_render_request()

    def render(self) -> None:
        # First the mark, then the picture: what changes while it is drawn asks for another one.
        self.needs_render = False
        self.render_window.Render()

    def picture(self) -> np.ndarray:
        """The current picture, (height, width, RGB), top row first."""
        if self.needs_render:
            self.render()
        width, height = self.render_window.GetSize()
        self.render_window.GetPixelData(0, 0, width - 1, height - 1, 0, self._pixels, 0)
        return np.ascontiguousarray(vtk_to_numpy(self._pixels).reshape(height, width, 3)[::-1])

    def resize(self, width: int, height: int) -> None:
        self.render_window.SetSize(width, height)
        self.interactor.UpdateSize(width, height)
        self.interactor.InvokeEvent(vtk.vtkCommand.ConfigureEvent)
        self.request_render()

    def set_pixel_ratio(self, ratio: float) -> None:
        """On screens with small pixels lines, letters and handles take more of them."""
        self.node.SetScreenScaleFactor(SCREEN_SCALE * ratio)

    def manager(self, class_name: str) -> vtk.vtkObject | None:
        return self.manager_group.GetDisplayableManagerByClassName(class_name)

    def close(self) -> None:
        self.on_render_request = lambda: None
        self._observed.clear()
        self.style.SetInteractor(None)
        self.manager_group.SetMRMLDisplayableNode(None)
        self.render_window.Finalize()


class SliceView(RenderedView):
    """A plane through the volumes, as the slice node says."""

    def __init__(self, core: SceneCore, node: slicer.vtkMRMLSliceNode) -> None:
        style = slicer.vtkMRMLSliceViewInteractorStyle()
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(core, factory, SLICE_MANAGERS, style)
        self.node = node
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._image = vtk.vtkImageMapper()
        self._image.SetColorWindow(255)
        self._image.SetColorLevel(127.5)
        self._image_actor = vtk.vtkActor2D()
        self._image_actor.SetMapper(self._image)
        self._image_actor.GetProperty().SetDisplayLocationToBackground()
        self._image_actor.VisibilityOff()
        self.renderer.AddViewProp(self._image_actor)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(core.application_logic)
        core.application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(core.scene)
        self.logic.SetSliceNode(node)
        self._observed.add(self.logic, vtk.vtkCommand.ModifiedEvent, self._on_image)
        self.logic.SetDisplayableManagerGroup(self.manager_group)
        style.SetSliceLogic(self.logic)
        self.manager_group.SetMRMLDisplayableNode(node)
        self._watch_mouse()
        self._on_image()

    @property
    def composite_node(self) -> slicer.vtkMRMLSliceCompositeNode:
        return self.logic.GetSliceCompositeNode()

    def _on_image(self, *_: object) -> None:
        connection = self.logic.GetImageDataConnection()
        if connection is not None and self._image.GetInputConnection(0, 0) is not connection:
            self._image.SetInputConnection(connection)
        self._image_actor.SetVisibility(connection is not None)
        self.request_render()

    def resize(self, width: int, height: int) -> None:
        super().resize(width, height)
        self.logic.ResizeSliceNode(width, height)

    def to_display(self, world_ras: tuple[float, float, float]) -> tuple[float, float]:
        """Pixel of a point, or of its projection onto the slice; (0, 0) is the lower left corner."""
        from_display = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), from_display)
        return from_display.MultiplyPoint((*world_ras, 1.0))[:2]

    def to_world(self, x: float, y: float) -> tuple[float, float, float]:
        return self.node.GetXYToRAS().MultiplyPoint((x, y, 0.0, 1.0))[:3]

    def fit(self) -> None:
        self.logic.FitSliceToBackground()
        self.logic.SnapSliceOffsetToIJK()

    def close(self) -> None:
        self.core.application_logic.GetSliceLogics().RemoveItem(self.logic)
        super().close()
        self.logic.SetMRMLScene(None)


class ThreeDView(RenderedView):
    """A perspective view of models, segments, markups and volume renderings."""

    def __init__(self, core: SceneCore, node: slicer.vtkMRMLViewNode) -> None:
        style = slicer.vtkMRMLThreeDViewInteractorStyle()
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(core, factory, THREE_D_MANAGERS, style)
        self.node = node
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(core.application_logic)
        core.application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetName(node.GetLayoutName())  # by which it finds its view node
        self.logic.SetMRMLScene(core.scene)
        self.logic.SetDisplayableManagerGroup(self.manager_group)
        self.manager_group.SetMRMLDisplayableNode(node)
        self._watch_mouse()

    @property
    def camera_node(self) -> slicer.vtkMRMLCameraNode | None:
        manager = self.manager("vtkMRMLCameraDisplayableManager")
        return manager.GetCameraNode() if manager else None

    def to_display(self, world_ras: tuple[float, float, float]) -> tuple[float, float]:
        """Pixel of a point; (0, 0) is the lower left corner."""
        if self.needs_render:
            self.render()
        self.renderer.SetWorldPoint(*world_ras, 1.0)
        self.renderer.WorldToDisplay()
        return self.renderer.GetDisplayPoint()[:2]

    def render(self) -> None:
        # Slicer sorts translucent surfaces by depth peeling. Without a graphics card that takes three times as long as
        # the whole picture otherwise, for a difference that is hard to see.
        if draws_in_software():
            self.renderer.SetUseDepthPeeling(False)
        super().render()

    def fit(self) -> None:
        """Everything visible in the middle of the view and as large as it goes, seen from where the camera is."""
        bounds = self.renderer.ComputeVisiblePropBounds()
        if vtk.vtkMath.AreBoundsInitialized(bounds):
            self.renderer.ResetCamera(bounds)
            self.renderer.ResetCameraClippingRange()
        self.request_render()

    def reset_focal_point(self) -> None:
        """Everything visible in the middle of the view, no larger or smaller than before."""
        bounds = self.renderer.ComputeVisiblePropBounds()
        if not vtk.vtkMath.AreBoundsInitialized(bounds):
            return
        camera = self.renderer.GetActiveCamera()
        center = np.reshape(bounds, (3, 2)).mean(axis=1)
        shift = center - camera.GetFocalPoint()
        camera.SetFocalPoint(*center)
        camera.SetPosition(*(np.array(camera.GetPosition()) + shift))
        self.renderer.ResetCameraClippingRange()
        self.request_render()

    def look_from(self, axis: int) -> None:
        """0 to 5: from the left, the right, behind, the front, below, above."""
        direction, up = LOOKS[axis]
        camera = self.renderer.GetActiveCamera()
        focus = np.array(camera.GetFocalPoint())
        camera.SetPosition(*(focus + np.array(direction) * camera.GetDistance()))
        camera.SetViewUp(*up)
        self.renderer.ResetCameraClippingRange()
        self.request_render()

    def close(self) -> None:
        self.core.application_logic.GetViewLogics().RemoveItem(self.logic)
        super().close()
        self.logic.SetMRMLScene(None)
