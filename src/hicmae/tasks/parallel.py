"""Training on several devices and within their memory, whichever the model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.utils.checkpoint import checkpoint

from hicmae.models.layers import CrossAttentionBlock, SelfAttentionBlock

T = TypeVar("T")


def blocks_of(model: nn.Module) -> Iterator[nn.Module]:
    """The transformer blocks of a model, of encoders and decoders alike."""
    for module in model.modules():
        if isinstance(module, SelfAttentionBlock | CrossAttentionBlock):
            yield module


def clips_of_processes(count: int, device: torch.device) -> list[int]:
    """How many clips each process has in this step, by rank.

    Args:
        count: Clips of this process; all processes have to ask.
        device: Where the process group communicates.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return [count]
    own = torch.tensor([count], device=device)
    everyone = own.new_empty(dist.get_world_size())
    dist.all_gather_into_tensor(everyone, own)
    return everyone.tolist()


def summed_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, all of which have to ask.

    Unlike Lightning's, an accelerator is not waited for.
    """
    total = value.clone()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total


def of_all_processes(value: T) -> list[T]:
    """The values of all processes, by rank; all of them have to ask.

    Args:
        value: What can be pickled.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def checkpoint_activations(model: nn.Module) -> None:
    """Computes the inside of every block again in the backward pass in place of keeping it.

    Losses and gradients stay the same, and so do the names of the weights.
    """
    for block in blocks_of(model):
        if "forward" not in vars(block):
            # A wrapping module would rename the weights, which layer decay and files go by.
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Spreads weights, gradients and optimiser state over all processes (FSDP2), block by block.

    Args:
        model: The model, whose weights become `DTensor`; a sharded one stays as it is.
        mesh: That of the strategy.
    """
    if isinstance(model, FSDPModule):
        return
    # The strategy sets a node's processes apart for tensor parallelism, for which the models have
    # no plan. Here every process has clips of its own, so that the weights go to all of them.
    everyone = init_device_mesh(mesh.device_type, (mesh.size(),))
    for block in blocks_of(model):
        fully_shard(block, mesh=everyone)
    fully_shard(model, mesh=everyone)


def keep_gathered(model: nn.Module, *, gathered: bool) -> None:
    """Gathers the weights of a sharded model and keeps them whole, or shards them again.

    While they are whole, the processes need not wait for each other: they may hold different
    numbers of batches, as in evaluation.

    Args:
        model: Any model; one that is not sharded stays as it is.
        gathered: Whether to keep them whole from now on.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_reshard_after_forward(not gathered, recurse=False)
            if gathered:
                module.unshard()
            else:
                module.reshard()
