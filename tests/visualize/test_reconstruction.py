"""Reconstruction pictures of made clips."""

import numpy as np
import pytest
import torch
from made_runs import DATA, pretraining, save_task
from safetensors.torch import save_file
from tiny import tiny_architecture
from tiny_tasks import classification

from hicmae.checkpoints import InputSettings, ModelDescription
from hicmae.errors import CheckpointError, ConfigError, DataError
from hicmae.media import VideoReader
from hicmae.models import HiCMAE
from hicmae.visualize.reconstruction import clip_table, load_pretrained_model, reconstruct

GREY = 0.5


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_task(tmp_path_factory.mktemp("run") / "last.ckpt", pretraining())


def images(figure):
    """Per clip, rows of pictures: originals, masked, reconstructed; the sound is last in a row."""
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    rows = next(row for row in range(1, 99) if pictures[row].shape[-1] != 3) + 1
    return [pictures[start : start + rows] for start in range(0, len(pictures), rows)]


def grey_share(picture):
    return float((np.abs(np.asarray(picture) - GREY) < 1e-6).all(-1).mean())


class TestPicture:
    def test_original_masked_and_reconstructed_of_the_middle_of_the_clip(
        self, checkpoint, clip_factory
    ):
        clip = clip_factory("rec.mp4", seconds=0.8, size=(48, 48))  # 20 frames, windows of 8
        figure = reconstruct(checkpoint, [clip], frames=4)
        original, masked, reconstructed = images(figure)
        with VideoReader(clip) as reader:
            frames = reader.read([6, 8, 10, 12], size=32) / 255
        np.testing.assert_allclose(np.stack(original[:4]), frames, atol=0.02)
        assert grey_share(masked[0]) == 0.75
        # 0.75 of 2 x 2 positions, the same in all frames; what is visible stays as it is
        hidden = (np.abs(np.asarray(masked[0]) - GREY) < 1e-6).all(-1)
        np.testing.assert_allclose(
            np.asarray(reconstructed[0])[~hidden], np.asarray(original[0])[~hidden], atol=1e-5
        )
        assert not np.allclose(reconstructed[0], original[0], atol=0.05)
        assert original[4].shape == (32, 32)
        assert figure.subfigs[0].get_suptitle() == "rec.mp4"

    def test_ratios_and_seed(self, checkpoint, clip_factory):
        clip = clip_factory("rec.mp4", seconds=0.8, size=(48, 48))

        def masked(**options):
            return images(reconstruct(checkpoint, [clip], frames=1, **options))[1]

        few = masked(video_mask_ratio=0.25, audio_mask_ratio=0.25)
        assert grey_share(few[0]) == 0.25
        np.testing.assert_array_equal(
            few[1], masked(video_mask_ratio=0.25, audio_mask_ratio=0.25)[1]
        )
        masks = [masked(seed=seed)[0] for seed in range(6)]
        assert len({np.asarray(mask).tobytes() for mask in masks}) > 1

    def test_of_many_clips_some_are_drawn_by_lot(self, checkpoint, corpus):
        def names(seed):
            figure = reconstruct(
                checkpoint, [corpus / "manifest.csv"], clips=2, frames=1, seed=seed
            )
            return [part.get_suptitle() for part in figure.subfigs]

        first = names(0)
        assert len(set(first)) == 2
        assert first == names(0) != names(1)

    def test_frame_difference_and_normalisation_are_those_of_the_run(self, tmp_path):
        path = save_task(tmp_path / "a.ckpt", pretraining(normalise_targets=False))
        assert load_pretrained_model(path).normalised is False
        path = save_task(tmp_path / "b.ckpt", pretraining(frame_difference=False))
        assert load_pretrained_model(path).frame_difference is False

    def test_shared_folder(self, tmp_path, clip_factory):
        clip = clip_factory("rec.mp4", seconds=0.8, size=(48, 48))
        shape = tiny_architecture()
        model = HiCMAE(shape)
        save_file(model.state_dict(), tmp_path / "model.safetensors")
        described = ModelDescription(
            "pretraining", (), shape, inputs=InputSettings(stride=2, frame_size=32)
        )
        (tmp_path / "config.json").write_text(described.as_json())
        loaded = load_pretrained_model(tmp_path)
        assert (loaded.video_mask_ratio, loaded.audio_mask_ratio) == (0.9, 0.8)
        reconstruct(tmp_path, [clip], video_mask_ratio=0.5, audio_mask_ratio=0.5)

        encoders = {n: t for n, t in model.state_dict().items() if "decoder" not in n}
        save_file(encoders, tmp_path / "model.safetensors")
        with pytest.raises(CheckpointError, match=r"lacks the tensor video_decoder"):
            load_pretrained_model(tmp_path)


class TestMistakes:
    def test_a_recogniser_has_no_decoders(self, tmp_path, corpus):
        path = save_task(tmp_path / "best.ckpt", classification())
        with pytest.raises(CheckpointError, match="a model of classification, which has no dec"):
            reconstruct(path, [corpus])

    def test_something_else(self, tmp_path, corpus):
        torch.save([1, 2], tmp_path / "list.pt")
        with pytest.raises(CheckpointError, match="is no checkpoint of a run"):
            reconstruct(tmp_path / "list.pt", [corpus])

    def test_numbers(self, checkpoint, corpus):
        for option, number, told in (
            ("clips", 0, "--clips is 0"),
            ("frames", 5, "sees 4 frames"),
            ("video_mask_ratio", 1.0, "--video_mask_ratio is 1.0"),
        ):
            with pytest.raises(ConfigError, match=told):
                reconstruct(checkpoint, [corpus], **{option: number})

    def test_clips(self, tmp_path, corpus):
        with pytest.raises(DataError, match=r"gone\.mp4 does not exist"):
            clip_table([tmp_path / "gone.mp4"])
        clip = corpus / "clip00.mp4"
        with pytest.raises(DataError, match="give it alone"):
            clip_table([clip, corpus / "manifest.csv"])
        with pytest.raises(DataError, match="given twice"):
            clip_table([clip, clip])
        assert len(clip_table([corpus])) == 14
        table = clip_table([clip, corpus / "clip01.mp4"])
        assert table["id"].tolist() == ["clip00.mp4", "clip01.mp4"]

    def test_an_unreadable_clip(self, checkpoint, tmp_path):
        (tmp_path / "broken.mp4").write_bytes(b"no video")
        with pytest.raises(DataError, match=r"broken\.mp4"):
            reconstruct(checkpoint, [tmp_path / "broken.mp4"])

    def test_a_region_of_the_run_is_decoded(self, tmp_path, clip_factory):
        clip = clip_factory("rec.mp4", seconds=0.8, size=(48, 48))
        data = DATA | {"region": [0, 0, 24, 24]}
        part = save_task(tmp_path / "part.ckpt", pretraining(), data)
        whole = save_task(tmp_path / "whole.ckpt", pretraining())
        shown = [images(reconstruct(path, [clip]))[0][0] for path in (part, whole)]
        assert np.abs(shown[0] - shown[1]).mean() > 0.05


def test_manifest_rows_keep_their_ids(corpus):
    assert clip_table([corpus / "manifest.csv"])["id"].iloc[0] == "c00"
