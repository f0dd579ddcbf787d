import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from jsonargparse import ArgumentError
from safetensors.torch import save_file
from shell import run_python
from tiny import tiny_architecture
from tiny_models import tiny_model

from hicmae.answers import Reliability
from hicmae.checkpoints import InputSettings, ModelDescription, load_recognition_model
from hicmae.cli import dispatch
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import CheckpointError, ConfigError, DataError, HicmaeError
from hicmae.export.exporting import TOLERANCE
from hicmae.export.formats import open_onnx
from hicmae.export.graph import ClipModel
from hicmae.export.parity import clip_inputs
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.models import RecognitionModel

EXAMPLE = Path(__file__).parents[2] / "examples" / "run_onnx.py"
EMOTIONS = ("anger", "joy", "calm")
TEMPERATURE = 0.5
# Every modality, every kind, both formats; (kind, outputs, modality, activation, settings, format).
MODELS: dict[str, tuple[Any, ...]] = {
    "both, resized": ("classification", EMOTIONS, "audio_visual", "none", (48, 0.9), "onnx"),
    "both": (
        "regression",
        ("valence", "arousal"),
        "audio_visual",
        "tanh",
        (32, 1.0),
        "torch-export",
    ),
    "sound": ("pretraining", (), "audio", "none", (32, 1.0), "onnx"),
    "pictures": ("classification", EMOTIONS, "video", "none", (40, 0.8), "torch-export"),
}


def write_model(folder: Path, name: str, spoil: Callable[[Any], None] | None = None) -> Path:
    """Writes a shared folder with a model of random weights."""
    kind, outputs, modality, activation, (frame_size, crop_pct), _ = MODELS[name]
    pooling = "statistics" if name in {"both", "pictures"} else "mean"
    model, description = tiny_model(
        kind,
        modality,
        seed=1,
        spread=0.1,  # so that scores are far from each other
        outputs=outputs,
        architecture=tiny_architecture(depth=1 if name == "both, resized" else 2),
        pooling=pooling,
        stand_ins=name == "both, resized",
        activation=activation,
        inputs=InputSettings(stride=4, frame_size=frame_size, crop_pct=crop_pct),
        training={"licence": "none"},
        reliability=Reliability(clips=3, temperature=TEMPERATURE) if outputs == EMOTIONS else None,
    )
    for weights in (model.video_layer_weights, model.audio_layer_weights):
        if weights is not None:
            torch.nn.init.normal_(weights)
    if spoil is not None:
        spoil(model)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(description.as_json(), encoding="utf-8")
    return folder


def expected(checkpoint: Path, inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Outputs by the steps of training: the preprocessing of batches, then the model."""
    model, description = load_recognition_model(checkpoint)
    shape, settings = description.architecture, description.inputs
    size = len(next(iter(inputs.values())))
    batch = {
        "frames": torch.zeros(size, shape.num_frames, 32, 32, 3, dtype=torch.uint8),
        "waveform": torch.zeros(size, 1),
        "waveform_length": torch.ones(size, dtype=torch.int64),
    } | inputs
    preprocess = BatchPreprocessor(
        image_size=shape.image_size,
        audio_frames=shape.audio_frames,
        mel_bins=shape.mel_bins,
        crop_pct=settings.crop_pct,
    )
    with torch.no_grad():
        senses = batch.pop("senses", None)
        batch = preprocess({name: tensor[:, None] for name, tensor in batch.items()})
        video, audio = batch["video"][:, 0], batch["audio"][:, 0]
        outputs = {"features": model.features(video, audio, senses)}
        if description.outputs:
            outputs["logits"] = model(video, audio, senses)
            score = {
                "classification": lambda x: (x / TEMPERATURE).softmax(-1),
                "regression": torch.tanh,
            }
            outputs["scores"] = score[description.kind](outputs["logits"])
    return {name: output.numpy() for name, output in outputs.items()}


def open_file(path: Path) -> Callable[[dict[str, torch.Tensor]], dict[str, np.ndarray]]:
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(
            zip(names, session.run(names, {n: t.numpy() for n, t in inputs.items()}), strict=True)
        )
    module = torch.export.load(path).module()
    return lambda inputs: {n: t.detach().numpy() for n, t in module(**inputs).items()}


def assert_agree(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.shape == other[name].shape
        np.testing.assert_allclose(values, other[name], rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Exports a model of MODELS by the command, once; gives checkpoint and file."""
    folder = tmp_path_factory.mktemp("exported")
    made: dict[str, tuple[Path, Path]] = {}

    def export(name: str) -> tuple[Path, Path]:
        if name not in made:
            checkpoint = write_model(folder / name, name)
            kind = MODELS[name][-1]
            file = folder / "files" / (name + {"onnx": ".onnx", "torch-export": ".pt2"}[kind])
            options = ["--checkpoint", str(checkpoint), "--output", str(file)]
            dispatch(["export", "--format", kind, *options])
            made[name] = checkpoint, file
        return made[name]

    return export


@pytest.mark.parametrize("name", MODELS)
def test_the_file_is_the_model_for_any_batch_and_length(
    name: str, exported: Callable[[str], tuple[Path, Path]]
) -> None:
    checkpoint, file = exported(name)
    model, run = ClipModel(*load_recognition_model(checkpoint)), open_file(file)
    # Less than one window of the filter bank, less than a spectrogram, and more.
    for batch_size, samples in ((1, 1), (1, 6000), (2, 399), (5, 20_000)):
        inputs = model.example(batch_size, samples, seed=batch_size)
        if "waveform" in inputs and batch_size == 5:
            inputs["waveform"][1, inputs["waveform_length"][1] :] = torch.nan
        outputs = run(inputs)
        assert_agree(outputs, expected(checkpoint, inputs))
        if "scores" in outputs and batch_size == 5:
            assert np.ptp(outputs["scores"], axis=0).max() > 10 * TOLERANCE


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("both, resized", ["frames", "waveform", "waveform_length", "senses"]),
        ("sound", ["waveform", "waveform_length"]),
    ],
)
def test_an_onnx_file_tells_what_it_is(
    name: str, names: list[str], exported: Callable[[str], tuple[Path, Path]]
) -> None:
    checkpoint, file = exported(name)
    session = onnxruntime.InferenceSession(file)
    text = session.get_modelmeta().custom_metadata_map["config.json"]
    assert ModelDescription.from_json(text, file) == load_recognition_model(checkpoint)[1]
    inputs = {value.name: value.shape for value in session.get_inputs()}
    assert list(inputs) == names
    assert inputs["waveform"] == ["batch", "samples"]
    onnx.checker.check_model(onnx.load(file), full_check=True)
    assert str(Path(__file__).parents[2]).encode() not in file.read_bytes()


def test_a_torch_export_file_tells_what_it_is(
    exported: Callable[[str], tuple[Path, Path]],
) -> None:
    checkpoint, file = exported("both")
    extra = {"config.json": ""}
    torch.export.load(file, extra_files=extra)
    description = load_recognition_model(checkpoint)[1]
    assert ModelDescription.from_json(extra["config.json"], file) == description
    assert str(Path(__file__).parents[2]).encode() not in file.read_bytes()


def test_the_command_shows_how_far_file_and_model_are_apart(
    tmp_path: Path, clip_factory: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_model(tmp_path / "model", "pictures")
    output = tmp_path / "new" / "model.pt2"
    clip = clip_factory("export.mp4", seconds=2.0)
    options = ["--checkpoint", str(checkpoint), "--output", str(output)]
    dispatch(["export", "--format", "torch-export", *options, "--check_clip", str(clip)])
    printed = capfd.readouterr()
    assert not printed.err
    for word in ("scores", "logits", "features", "export.mp4, 3 windows", " MB"):
        assert word in printed.out
    assert len(printed.out.splitlines()) < 20  # nothing of the exporter's
    assert [path.name for path in output.parent.iterdir()] == ["model.pt2"]


def run_example(file: Path, clip: Path) -> dict[str, float]:
    forbid = "import sys, runpy; sys.modules['torch'] = None; runpy.run_path(sys.argv.pop(1))"
    lines = (line.split(": ") for line in run_python(forbid, EXAMPLE, file, clip).splitlines())
    return {name: float(score) for name, score in lines}


def first_window(checkpoint: Path, clip: Path) -> dict[str, float]:
    recognizer = EmotionRecognizer.from_pretrained(checkpoint, faces="none")
    scores = recognizer.recognize(clip).people[0].window_scores[0]
    return dict(zip(recognizer.outputs, map(float, scores), strict=True))


@pytest.mark.parametrize("seconds", [1.6, 0.4])  # of the four frames, the short clip has three
def test_the_example_says_what_the_recogniser_says_without_torch(
    seconds: float, clip_factory: Callable[..., Path], exported: Callable[[str], tuple[Path, Path]]
) -> None:
    checkpoint, file = exported("both, resized")
    clip = clip_factory(f"example{seconds}.mp4", seconds=seconds, size=(120, 96))
    expected_scores = first_window(checkpoint, clip)
    assert run_example(file, clip) == pytest.approx(expected_scores, abs=TOLERANCE)


def test_the_example_hears_stereo_of_another_rate(
    shared_dir: Path, exported: Callable[[str], tuple[Path, Path]]
) -> None:
    checkpoint, file = exported("both, resized")
    clip = min((shared_dir / "clips").glob("grid_talkers/*.mpg"), default=None)
    if clip is None:
        pytest.skip(f"no clip clips/grid_talkers/*.mpg in {shared_dir}")
    assert run_example(file, clip) == pytest.approx(first_window(checkpoint, clip), abs=0.005)


@pytest.mark.parametrize("name", ["both, resized", "both"])
@pytest.mark.parametrize("pattern", ["ravdess/**/*.mp4", "grid_talkers/*.mpg"])
def test_file_and_model_agree_on_real_clips(
    name: str, pattern: str, shared_dir: Path, exported: Callable[[str], tuple[Path, Path]]
) -> None:
    checkpoint, file = exported(name)
    clip = min((shared_dir / "clips").glob(pattern), default=None)
    if clip is None:
        pytest.skip(f"no clip clips/{pattern} in {shared_dir}")
    model, run = ClipModel(*load_recognition_model(checkpoint)), open_file(file)
    for inputs in clip_inputs(model, clip).values():
        assert_agree(run(inputs), expected(checkpoint, inputs))


def test_a_file_that_differs_is_not_written(tmp_path: Path) -> None:
    def spoil(model: RecognitionModel) -> None:
        torch.nn.init.constant_(model.head.bias, torch.nan)  # equals nothing, not even itself

    checkpoint = write_model(tmp_path / "model", "pictures", spoil)
    output = tmp_path / "files" / "model.pt2"
    output.parent.mkdir()
    output.write_text("an earlier file")
    options = ["--checkpoint", str(checkpoint), "--output", str(output)]
    with pytest.raises(HicmaeError, match=r"scores .* differ by nan .*model\.pt2 was not written"):
        dispatch(["export", "--format", "torch-export", *options])
    assert [path.read_text() for path in output.parent.iterdir()] == ["an earlier file"]


def test_a_file_that_onnxruntime_cannot_run_is_told(tmp_path: Path) -> None:
    # Of the newest operators, some are known to onnx and not yet to onnxruntime.
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no graph")
    with pytest.raises(ConfigError, match=r"cannot run the exported file .* lower one"):
        open_onnx(file)


def test_mistakes_are_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_model(tmp_path / "model", "sound")
    (tmp_path / "file").touch()
    (tmp_path / "folder.onnx").mkdir()
    good = {
        "--format": "onnx",
        "--checkpoint": str(checkpoint),
        "--output": str(tmp_path / "m.onnx"),
    }

    def refused(error: type[Exception], match: str, **changes: Any) -> None:
        options = good | {f"--{name}": str(value) for name, value in changes.items()}
        with pytest.raises(error, match=match):
            dispatch(["export", *(word for option in options.items() for word in option)])

    refused(CheckpointError, r"gone\.ckpt", checkpoint=tmp_path / "gone.ckpt")
    refused(ArgumentError, "tensorflow", format="tensorflow")
    refused(ConfigError, r"cannot be written", output=tmp_path / "file" / "m.onnx")
    refused(ConfigError, r"folder\.onnx is a folder", output=tmp_path / "folder.onnx")
    refused(ConfigError, r"m\.onnx.* ends in \.pt2", format="torch-export")
    refused(ConfigError, "--opset is 9: choose one of 18 to", opset=9)
    refused(DataError, r"gone\.wav", check_clip=tmp_path / "gone.wav")
    refused(
        ConfigError, "--opset is for", format="torch-export", output=tmp_path / "m.pt2", opset=18
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    refused(ConfigError, r"onnxruntime: pip install 'hicmae\[export\]'")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "file", "folder.onnx"}
