"""Training clips drawn block by block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.dataset import ClipSampler
from hicmae.errors import ConfigError


def order_of(clips, block, *, world=1, rank=0, epoch=0, seed=0, done=(0, 0)):
    sampler = ClipSampler(
        clips, num_replicas=world, rank=rank, shuffle=True, seed=seed, block=block, done=done
    )
    sampler.set_epoch(epoch)
    assert len(sampler) == clips // world
    return [key.clip for key in sampler]


@given(
    clips=st.integers(0, 60),
    block=st.integers(1, 70),
    epoch=st.integers(0, 3),
    seed=st.integers(0, 3),
)
def test_each_clip_once_and_each_block_in_one_piece(clips, block, epoch, seed):
    order = order_of(clips, block, epoch=epoch, seed=seed)
    assert sorted(order) == list(range(clips))
    blocks = np.array(order, dtype=int) // block
    assert (np.diff(blocks) != 0).sum() == max(-(-clips // block) - 1, 0)
    assert order == order_of(clips, block, epoch=epoch, seed=seed)


@given(clips=st.integers(1, 60), block=st.integers(1, 20), world=st.integers(1, 4))
def test_processes_share_the_blocks(clips, block, world):
    whole = order_of(clips, block)
    parts = [order_of(clips, block, world=world, rank=rank) for rank in range(world)]
    together = [index for group in zip(*parts, strict=True) for index in group]
    assert together == whole[: clips // world * world]


def test_blocks_and_their_clips_change_places_between_epochs():
    orders = [order_of(400, 20, epoch=epoch) for epoch in range(2)]
    firsts = [[index // 20 for index in order[::20]] for order in orders]
    assert firsts[0] != firsts[1]
    within = [[index for index in order if index < 20] for order in orders]
    assert within[0] != within[1]


def test_no_block_is_the_order_of_old():
    # What runs of old drew: a run that is resumed must go on in it.
    expected = np.random.default_rng([5, 2]).permutation(30).tolist()
    assert order_of(30, None, epoch=2, seed=5) == expected


def test_a_resumed_run_goes_on_within_a_block():
    assert order_of(21, 4, epoch=3, done=(3, 6)) == order_of(21, 4, epoch=3)[6:]


def test_the_data_module_draws_by_blocks(corpus):
    options = {"label": "emotion", "num_workers": 0, "shuffle_block": 2}
    data = ManifestDataModule(str(corpus / "manifest.csv"), **options)
    data.setup("fit")
    order = [key.clip for key in data.train_dataloader().sampler]
    assert sorted(order) == list(range(8))
    assert all(
        first // 2 == second // 2 for first, second in zip(order[::2], order[1::2], strict=True)
    )
    with pytest.raises(ConfigError, match="shuffle_block is 0"):
        ManifestDataModule(str(corpus / "manifest.csv"), shuffle_block=0)
