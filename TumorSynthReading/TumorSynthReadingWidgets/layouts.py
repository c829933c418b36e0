"""How a case's planes share the window: one image large, or two side by side."""

import slicer

# Far from the numbers that Slicer and other extensions use.
ONE_IMAGE, TWO_IMAGES = 27340, 27341
LEFT_VIEWS = ("Red", "Yellow", "Green")
RIGHT_VIEWS = ("Red+", "Yellow+", "Green+")
PLANES = ("Axial", "Sagittal", "Coronal")
_COLORS = ("#F34A33", "#EDD54C", "#6EB04B")


def _view(name, plane, color, size=500):
    return (
        f'<item splitSize="{size}"><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">{plane}</property>'
        f'<property name="viewlabel" action="default">{name[0]}</property>'
        f'<property name="viewcolor" action="default">{color}</property></view></item>'
    )


def _column(names):
    first, second, third = (_view(*each) for each in zip(names, PLANES, _COLORS, (600, 500, 500), strict=True))
    return (
        f'<layout type="vertical" split="true">{first}'
        f'<item splitSize="400"><layout type="horizontal" split="true">{second}{third}</layout></item></layout>'
    )


def _one(names):
    """The first plane large, as high as the window."""
    first = _view(names[0], PLANES[0], _COLORS[0], 600)
    second, third = (_view(names[n], PLANES[n], _COLORS[n]) for n in (1, 2))
    column = f'<item splitSize="400"><layout type="vertical" split="true">{second}{third}</layout></item>'
    return f'<layout type="horizontal" split="true">{first}{column}</layout>'


def _two(*names):
    columns = "".join(f"<item>{_column(each)}</item>" for each in names)
    return f'<layout type="horizontal" split="true">{columns}</layout>'


def show(images):
    """The layout for so many images; returns the number of the one that was shown before."""
    manager = slicer.app.layoutManager()
    node = manager.layoutLogic().GetLayoutNode()
    before = node.GetViewArrangement()
    one, two = (ONE_IMAGE, _one(LEFT_VIEWS)), (TWO_IMAGES, _two(LEFT_VIEWS, RIGHT_VIEWS))
    number, description = two if images == 2 else one
    if not node.IsLayoutDescription(number):
        node.AddLayoutDescription(number, description)
    manager.setLayout(number)
    return before


def isOurs(number):
    return number in (ONE_IMAGE, TWO_IMAGES)
