"""A case's image as a node that knows no file: only voxels, their place, and a name that says nothing."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from TumorSynthLib.volume_files import read_volume

NAMES = {1: ("Case",), 2: ("Left", "Right")}


def addVolume(path, name, window, level):
    """The voxels are copied: no storage node, no file name, nothing that saving a scene would write."""
    stored = read_volume(path)
    voxels = stored.voxels
    if (stored.slope, stored.intercept) != (1.0, 0.0):
        voxels = voxels * stored.slope + stored.intercept
    image = vtk.vtkImageData()
    image.SetDimensions(voxels.shape)
    image.GetPointData().SetScalars(numpy_to_vtk(np.asfortranarray(voxels).ravel(order="F"), deep=True))
    toRas = vtk.vtkMatrix4x4()
    toRas.DeepCopy(np.asarray(stored.affine, dtype=float).ravel())
    node = addNode("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(toRas)
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(window, level)
    return node


def addNode(className, name):
    """One that is never saved, that no list shows, and that nobody is asked to save when the window closes."""
    node = slicer.mrmlScene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(name)
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    return slicer.mrmlScene.AddNode(node)


def removeNode(node):
    scene = slicer.mrmlScene
    display = node.GetDisplayNode()
    for each in (node, display):
        if each is not None and scene.IsNodePresent(each):
            scene.RemoveNode(each)
