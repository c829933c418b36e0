"""Beginning a run with the weights of an earlier one."""

from __future__ import annotations

from pathlib import Path

import torch

from TumorSynthLib.errors import InputError


def begin_with(network: torch.nn.Module, file: Path, option: str = "--start ") -> None:
    """Take over weights. A painter of one answer, the lesion over its surroundings, begins as one of three: what it
    painted is lesion and tissue alike, and its matte is still. `option` is how a person asked for the file."""
    import safetensors.torch

    asked = f"{option}{file}"
    if not file.is_file():
        raise InputError(f"{asked}: no such file; give the .safetensors of a bundle")
    try:
        given, own = safetensors.torch.load_file(file), network.state_dict()
    except safetensors.SafetensorError as problem:
        raise InputError(f"{asked} holds no weights; give the .safetensors of a bundle") from problem
    if given.keys() != own.keys():
        raise InputError(f"{asked} holds another kind of network")
    network.load_state_dict({name: _fitted(given[name].float(), own[name], asked) for name in own})


def _fitted(given: torch.Tensor, own: torch.Tensor, asked: str) -> torch.Tensor:
    if given.shape == own.shape:
        return given
    if given.shape[0] == 1 and own.shape[0] == 3 and given.shape[1:] == own.shape[1:]:
        return torch.cat([given, torch.zeros_like(given), given])
    raise InputError(f"{asked} holds a network of other sizes: {tuple(given.shape)} against {tuple(own.shape)}")
