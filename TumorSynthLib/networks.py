"""The networks and what each is shown. Inference and training build their inputs here, so they cannot drift apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import ndimage

from .spheres import ConcentricSpheres

if TYPE_CHECKING:
    import torch

NetworkKind = Literal["mask", "map", "paint", "brain"]
UpSampling = Literal["upsampling+convolution", "transposed convolution"]


@dataclass(frozen=True)
class NetworkSpec:
    dimensions: int
    channels_in: int
    channels_out: int
    features: tuple[int, int, int, int, int, int]
    # Instance statistics would hide absolute grey levels from the painter and make them flicker from slice to slice.
    normalized: bool = True


NETWORKS: dict[NetworkKind, NetworkSpec] = {
    "mask": NetworkSpec(3, 4, 1, (8, 16, 32, 64, 128, 8)),
    "map": NetworkSpec(3, 6, 3, (8, 16, 32, 64, 128, 8)),
    "paint": NetworkSpec(2, 5, 3, (32, 32, 64, 128, 128, 32), normalized=False),
    "brain": NetworkSpec(3, 2, 1, (8, 16, 32, 64, 128, 8)),
}

OUTLINE_STEEPNESS = 8.0
# The matte starts as the mask blurred by so many voxels, steepened: real edges are that soft, as thick slices are.
MATTE_SOFTNESS_VOXELS = 1.5
MATTE_SLOPE = 1.4
# The painter may change it by this much, which moves its middle by less than a voxel.
MATTE_FREEDOM = 0.4
# Tissue beside a lesion is not as it would be without: it has strands, vessels, clefts. The painter's own shows fully
# where the blurred mask is above the first, about 1.7 voxels off the label, and not at all 3 voxels off it.
NEAREST_TISSUE, FARTHEST_TISSUE = 0.12, 0.02
# What is finer than this is grain or strand, what is not is shade.
GRAIN_VOXELS = 1.5
# Lesions of the smaller radius (voxels) show none of that tissue, those of the larger one all: strands and clefts
# belong to large lesions, and beside a small one they would outweigh it.
STRANDLESS_RADIUS, STRANDED_RADIUS = 5.0, 9.0


def build_network(kind: NetworkKind, upsampling: UpSampling = "upsampling+convolution") -> torch.nn.Module:
    from monai.networks.nets.basic_unet import BasicUNet, UpCat

    spec = NETWORKS[kind]
    network = BasicUNet(
        spec.dimensions,
        spec.channels_in,
        spec.channels_out,
        features=spec.features,
        act=("LeakyReLU", {"negative_slope": 0.1}),
        norm=("instance", {"affine": True}) if spec.normalized else None,
        upsample="deconv" if upsampling == "transposed convolution" else "nontrainable",
    )
    for part in network.modules():
        if isinstance(part, UpCat):
            part.is_pad = False  # all our sides are multiples of 16; padding by nothing still copies
    if spec.dimensions == 3:
        _keep_layout(network)
    return network


def _keep_layout(network: torch.nn.Module) -> None:
    """Torch's instance norm leaves channels last, and everything after it up to the next convolution then takes several
    times as long; its autocast pools in single precision, which changes no value. Both are put right for a batch of one
    that is inferred; training goes the usual way."""
    import torch
    import torch.nn.functional as F

    def normalized(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        if norm.training or x.shape[0] > 1:
            return type(norm).forward(norm, x)
        return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)

    def pooled(pool: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return type(pool).forward(pool, x)

    for part in network.modules():
        if isinstance(part, torch.nn.InstanceNorm3d):
            part.forward = partial(normalized, part)
        elif isinstance(part, torch.nn.MaxPool3d):
            part.forward = partial(pooled, part)


def memory_layout(dimensions: int) -> torch.memory_format:
    """Channels last, for weights and batches alike: a fifth faster on CPUs that compute in bfloat16."""
    import torch

    return torch.channels_last_3d if dimensions == 3 else torch.channels_last


def mask_input(
    weighted_brain: np.ndarray, spheres_image: np.ndarray, distance: np.ndarray, radius: float, outline: np.ndarray
) -> np.ndarray:
    """What `G_binary` sees: brain mask times Gaussian, spheres, depth inside the outer sphere, the seed's outline."""
    # Depth reaches further down than an outline reaches up: nothing far from the spheres may count as inside.
    depth = np.clip(1 - distance / radius, -3, 1)
    return np.stack([weighted_brain, spheres_image, depth, np.clip(outline, -1.5, 1.5)]).astype(np.float32)


def mask_logits(network: torch.nn.Module, shown: torch.Tensor) -> torch.Tensor:
    """`G_binary`'s answer to a batch of `mask_input`s. It adds to the outline asked for, so that size and place hold
    from the start and what is learned is the brain's border and the look of real outlines."""
    depth, outline = shown[:, 2:3], shown[:, 3:4]
    return network(shown).float() + OUTLINE_STEEPNESS * (depth - outline)


def depth_rank(mask: np.ndarray) -> np.ndarray:
    """For each voxel of a mask, the share of the mask's voxels that lie nearer to its surface (0 rim .. 1 core)."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inside = mask[box]
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[(slice(1, -1),) * mask.ndim]
    # Whole shells share one depth in voxels; blurring it gives neighbours an order without drawing lots.
    depth = ndimage.gaussian_filter(depth, 0.7)
    out = np.zeros(mask.shape, np.float32)
    out[box][inside] = rank_in_unit_interval(depth[inside])
    return out


def rank_in_unit_interval(values: np.ndarray) -> np.ndarray:
    order = np.empty(values.size, np.float32)
    order[np.argsort(values, kind="stable")] = (np.arange(values.size) + 0.5) / max(values.size, 1)
    return order


def map_input(mask: np.ndarray, spheres: ConcentricSpheres, spheres_image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """What `G_quantize` sees: mask, spheres, the order the shells ask for at each depth, chance weighted by how much
    the structure leaves to it, and how much of the volume the dark and the dark-or-middle levels are to fill."""
    inside = mask.astype(np.float32)
    chance = spheres.resolved_structure.heterogeneity
    order = spheres.order_along_depth(depth_rank(mask)) * inside
    dark, dark_or_middle = dark_shares(spheres)
    return np.stack(
        [
            inside,
            spheres_image,
            (1 - chance) * order,
            chance * np.clip(noise, -3, 3) * inside,
            dark * inside,
            dark_or_middle * inside,
        ]
    )


def dark_shares(spheres: ConcentricSpheres) -> tuple[float, float]:
    values, shares = spheres.classes()
    rank = (values - values[0]) / (values[-1] - values[0])
    return float(shares[rank < 1 / 3].sum()), float(shares[rank < 5 / 6].sum())


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Under a Gaussian, in single precision also where networks compute in less: rounding would pass for grain."""
    import torch
    import torch.nn.functional as F

    reach = max(1, round(3 * sigma))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1.0, device=image.device) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    with torch.autocast(image.device.type, enabled=False):
        image = F.conv2d(F.pad(image.float(), (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
        return F.conv2d(F.pad(image, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))


def share_of_strands(radius: float) -> float:
    """How much of the tissue beside it a lesion of this radius (voxels) shows."""
    return float(np.clip((radius - STRANDLESS_RADIUS) / (STRANDED_RADIUS - STRANDLESS_RADIUS), 0, 1))


def paint_input(
    slices: torch.Tensor, hole: torch.Tensor, level: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """What `G_syn` sees of each slice (n, 1, h, w): the host with the lesion's place hidden, that place, the grey level
    that the map asks for, the mask, noise. Intensities are relative to white matter, less one, so that 0 is tissue."""
    import torch

    return torch.cat([(slices - 1) * (1 - hole), hole, (level - 1) * mask, mask, noise * hole], 1)


class Painting(NamedTuple):
    """A painter's answer, each part (n, 1, h, w): the lesion, how much of it each place shows (0 none .. 1 nothing
    else), the tissue under and beside it, and how much of that tissue's detail each place shows beside the lesion."""

    lesion: torch.Tensor
    matte: torch.Tensor
    tissue: torch.Tensor
    beside: torch.Tensor

    def over(self, base: torch.Tensor) -> torch.Tensor:
        """Of the tissue, grain and strands only: the base keeps its shade, or the lesion would spill over its label."""
        strands, own = (image - blurred(image, GRAIN_VOXELS) for image in (self.tissue, base))
        ground = base + self.beside * (strands - own)
        return ground + self.matte * (self.lesion - ground)


def paint(
    network: torch.nn.Module,
    slices: torch.Tensor,
    hole: torch.Tensor,
    level: torch.Tensor,
    mask: torch.Tensor,
    softened: torch.Tensor,
    noise: torch.Tensor,
) -> Painting:
    """What `G_syn` makes of the hole. It adds to the level asked for, so that levels hold from the start, and to the
    mask `softened` by a Gaussian, so that edges lie on the label: how hard, even or frayed they are is
    learned from real ones."""
    import torch

    # One-channel parts do not tell their layout, so joining them loses it.
    shown = paint_input(slices, hole, level, mask, noise).contiguous(memory_format=torch.channels_last)
    lesion, matte, tissue = network(shown).float().split(1, 1)
    near_edge = 4 * softened * (1 - softened)
    matte = 0.5 + MATTE_SLOPE * (softened - 0.5) + MATTE_FREEDOM * near_edge * torch.tanh(matte)
    beside = (softened - FARTHEST_TISSUE) / (NEAREST_TISSUE - FARTHEST_TISSUE)
    tissue = slices * (1 - hole) + (tissue + 1) * hole
    return Painting(lesion + level, matte.clamp(0, 1) * hole, tissue, beside.clamp(0, 1) * hole)
