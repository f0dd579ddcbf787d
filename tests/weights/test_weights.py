import dataclasses
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny import tiny_architecture

from hicmae.checkpoints import load_pretrained, our_name
from hicmae.errors import CheckpointError
from hicmae.models import HiCMAE, RecognitionModel

REFERENCE = Path(__file__).parents[1] / "reference_micro"

# The architecture of reference_micro/pretrain_micro.pth, as cases.json beside it states it.
SHAPE = tiny_architecture(fusion_depth=2, contrast_layers=[2], num_frames=16)


@pytest.fixture(scope="module")
def pretrained():
    torch.manual_seed(0)
    return HiCMAE(SHAPE)


def as_lightning(model):
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    return {"state_dict": state | {"metric.total": torch.ones(1)}, "epoch": 3, "loops": {}}


@pytest.fixture(params=["safetensors", "lightning", "plain"])
def weights_file(request, pretrained, tmp_path):
    """The same weights in each of our own formats."""
    if request.param == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file(pretrained.state_dict(), path)
    else:
        path = tmp_path / "last.ckpt"
        plain = request.param == "plain"
        torch.save(pretrained.state_dict() if plain else as_lightning(pretrained), path)
    return path


class TestLoading:
    def test_every_format_gives_every_tensor(self, weights_file, pretrained):
        model = HiCMAE(SHAPE)
        report = load_pretrained(model, weights_file)
        assert not report.fresh
        assert not report.dropped
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, pretrained.state_dict()[name]), name

    def test_recogniser_takes_encoders_and_leaves_the_rest_fresh(self, weights_file, pretrained):
        model = RecognitionModel(SHAPE, 4)
        head = model.head.weight.clone()
        report = load_pretrained(model, weights_file)
        assert torch.equal(
            model.fusion_encoder.audio_blocks[1].mlp.fc1.weight,
            pretrained.fusion_encoder.audio_blocks[1].mlp.fc1.weight,
        )
        assert torch.equal(model.head.weight, head)
        assert {name.split(".")[0] for name in report.fresh} == {
            "video_layer_weights",
            "audio_layer_weights",
            "head",
            "head_norm",
        }
        assert {name.split(".")[0] for name in report.dropped} == {"video_decoder", "audio_decoder"}

    def test_file_of_the_public_implementation_starts_a_recogniser(self):
        model = RecognitionModel(SHAPE, 4)
        report = load_pretrained(model, REFERENCE / "pretrain_micro.pth")
        assert len(report.loaded) == len(model.state_dict()) - 6
        assert all("encoder" not in name for name in report.fresh)

    def test_report_is_one_line_that_names_modules(self, weights_file):
        line = str(load_pretrained(RecognitionModel(SHAPE, 4), weights_file))
        assert "\n" not in line
        assert line.startswith("156 tensors loaded")
        assert "6 left fresh (audio_layer_weights, head, head_norm, video_layer_weights)" in line
        assert "dropped (audio_decoder, video_decoder)" in line

    def test_report_of_a_full_match_speaks_of_nothing_else(self, weights_file, pretrained):
        line = str(load_pretrained(HiCMAE(SHAPE), weights_file))
        assert line == f"{len(pretrained.state_dict())} tensors loaded"

    def test_head_of_other_classes_is_left_fresh(self, tmp_path):
        trained = RecognitionModel(SHAPE, 4)
        torch.save(as_lightning(trained), tmp_path / "best.ckpt")
        model = RecognitionModel(SHAPE, 7)
        report = load_pretrained(model, tmp_path / "best.ckpt")
        assert report.fresh == ("head.weight", "head.bias")
        assert report.dropped == ("head.weight", "head.bias")
        assert torch.equal(model.head_norm.weight, trained.head_norm.weight)

    def test_head_of_the_same_classes_is_read(self, tmp_path):
        trained = RecognitionModel(SHAPE, 4)
        torch.save(as_lightning(trained), tmp_path / "best.ckpt")
        model = RecognitionModel(SHAPE, 4)
        load_pretrained(model, tmp_path / "best.ckpt")
        assert torch.equal(model.head.weight, trained.head.weight)

    def test_an_encoder_alone_is_enough(self, pretrained, tmp_path):
        """Such as one pre-trained on a single modality; the other starts fresh."""
        state = {
            name: tensor
            for name, tensor in pretrained.state_dict().items()
            if name.startswith("audio_encoder")
        }
        save_file(state, tmp_path / "audio.safetensors")
        report = load_pretrained(RecognitionModel(SHAPE, 4), tmp_path / "audio.safetensors")
        assert set(report.loaded) == set(state)

    def test_weights_of_half_precision_become_the_models(self, pretrained, tmp_path):
        save_file(
            {name: tensor.half() for name, tensor in pretrained.state_dict().items()},
            tmp_path / "half.safetensors",
        )
        model = HiCMAE(SHAPE)
        load_pretrained(model, tmp_path / "half.safetensors")
        assert model.video_encoder.norm.weight.dtype == torch.float32


def test_names_of_ours_stay_as_they_are(pretrained):
    for model in (pretrained, RecognitionModel(SHAPE, 3)):
        for name in model.state_dict():
            assert our_name(name) == name


class Payload:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class TestRefusals:
    def refuse(self, path, *said, model=None):
        with pytest.raises(CheckpointError) as caught:
            load_pretrained(model or RecognitionModel(SHAPE, 4), path)
        for words in (path.name, *said):
            assert words in str(caught.value)

    def test_missing_file(self, tmp_path):
        self.refuse(tmp_path / "nowhere.ckpt", "There is no checkpoint", "check the path")
        self.refuse(tmp_path, "There is no checkpoint")

    @pytest.mark.parametrize("writer", ["pickle", "torch"])
    @pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "beside tensors"])
    def test_foreign_code_is_not_run(self, tmp_path, writer, wrapped):
        evidence = tmp_path / "executed"
        content = Payload(evidence)
        if wrapped:
            content = {"state_dict": {"model.head.weight": torch.ones(1)}, "extra": content}
        path = tmp_path / "evil.ckpt"
        if writer == "pickle":
            path.write_bytes(pickle.dumps(content, protocol=2))
        else:
            torch.save(content, path)
        self.refuse(path, "not loaded", "safetensors")
        assert not evidence.exists()
        if not wrapped:
            # The file would have done it.
            with path.open("rb") as file:
                loaded = torch.load(file, weights_only=False) if writer == "torch" else None
                if writer == "pickle":
                    pickle.load(file)  # noqa: S301
            assert loaded is None
            assert evidence.exists()

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
    def test_truncated_file(self, weights_file, share):
        content = weights_file.read_bytes()
        weights_file.write_bytes(content[: int(share * len(content))])
        self.refuse(weights_file)

    @pytest.mark.parametrize("suffix", ["ckpt", "pth", "safetensors"])
    @pytest.mark.parametrize(
        "content", [b"no checkpoint at all", b"seed_everything: 0", b"\x80\x02", bytes(4096)]
    )
    def test_file_of_something_else(self, tmp_path, suffix, content):
        path = tmp_path / f"notes.{suffix}"
        path.write_bytes(content)
        self.refuse(path)

    @pytest.mark.parametrize(
        "content",
        [
            [],
            3,
            {"state_dict": 3},
            {"state_dict": {"model.video_encoder.norm.weight": 3}},
            {"state_dict": {3: torch.ones(1)}},
            {"model": "weights"},
            {"model": {3: torch.ones(1)}},
            {"model": {"encoder.norm.weight": [1.0, 2.0]}},
        ],
        ids=str,
    )
    def test_unknown_content(self, tmp_path, content):
        path = tmp_path / "odd.ckpt"
        torch.save(content, path)
        self.refuse(path)

    def test_weights_of_another_model(self, tmp_path):
        path = tmp_path / "resnet.pth"
        torch.save({"layer1.weight": torch.ones(2), "fc.weight": torch.ones(2)}, path)
        self.refuse(path, "holds no weights of this model", "fc, layer1")

    def test_lightning_file_of_another_model(self, tmp_path):
        path = tmp_path / "other.ckpt"
        torch.save({"state_dict": {"backbone.weight": torch.ones(2)}}, path)
        self.refuse(path, "holds no weights of this model")

    def test_a_head_alone_fits_nothing(self, tmp_path):
        path = tmp_path / "head.safetensors"
        save_file({"head.bias": torch.ones(4)}, path)
        self.refuse(path, "holds no weights of this model", "head")

    @pytest.mark.parametrize(
        "changes",
        [
            {"width": 32},
            {"mlp_ratio": 2.0},
            {"tubelet_size": 4},
            {"patch_size": 8},
            {"depth": 1},
            {"depth": 3},
            {"fusion_depth": 1},
            {"fusion_depth": 3},
        ],
        ids=str,
    )
    def test_another_architecture(self, weights_file, changes):
        model = RecognitionModel(dataclasses.replace(SHAPE, **changes), 4)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self.refuse(weights_file, "another architecture", "set size and architecture", model=model)
        # Nothing was overwritten before it was refused.
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, before[name]), name

    def test_patch_embedding_of_an_odd_shape(self, pretrained, tmp_path):
        state = dict(pretrained.state_dict())
        state["video_encoder.embedding.projection.weight"] = torch.ones(())
        path = tmp_path / "odd.safetensors"
        save_file(state, path)
        self.refuse(path, "another architecture", "video_encoder.embedding.projection.weight")
