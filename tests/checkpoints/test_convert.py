"""`hicmae convert`: formats, refusals, and files that mean no good."""

import argparse
import dataclasses
import json
import os
import pickle
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny import INPUTS, tiny_architecture

from hicmae.checkpoints import load_pretrained, load_recognition_model, our_name
from hicmae.checkpoints.given import GivenFacts
from hicmae.checkpoints.reading import read_model
from hicmae.cli import dispatch
from hicmae.errors import CheckpointError, ConfigError, HicmaeError
from hicmae.models import HiCMAE, RecognitionModel
from hicmae.tasks import ClassificationTask, PretrainingTask, RegressionTask
from hicmae.weights.names import their_name

TESTS = Path(__file__).parents[1]
SHARED = Path(os.environ.get("HICMAE_SHARED_DIR", TESTS.parents[1] / "shared"))
REFERENCE = Path(os.environ.get("HICMAE_REFERENCE_DIR", SHARED / "reference"))


def reference_cases():
    found = []
    for folder in (TESTS / "reference_micro", REFERENCE):
        if (folder / "cases.json").is_file():
            for key, case in json.loads((folder / "cases.json").read_text()).items():
                if key.startswith(("pretrain", "finetune")):
                    found.append(pytest.param(folder / f"{key}.pth", case, id=key))
    if not (REFERENCE / "cases.json").is_file():
        reason = f"no reference numbers in {REFERENCE}: set HICMAE_REFERENCE_DIR to their folder"
        found.append(pytest.param(None, None, id="more", marks=pytest.mark.skip(reason)))
    return found


CASES = pytest.mark.parametrize(("file", "case"), reference_cases())


def options_of(case):
    """What the shapes of a reference file do not tell."""
    options = {
        "heads": [case["num_heads"]],
        "image_size": [case["image_size"]],
        "audio_frames": [case["audio_size"][0]],
        "mel_bins": [case["audio_size"][1]],
    }
    if "num_outputs" in case:
        options["classes"] = [f"emotion {row}" for row in range(case["num_outputs"])]
    else:
        layers = [layer + 1 for layer in case["skip_layers_zero_based"]]
        options |= {"skip_layers": layers, "contrast_layers": layers}
        options["decoder_heads"] = [case["decoder_num_heads"]]
    return [word for name, values in options.items() for word in (f"--{name}", *map(str, values))]


def convert(source, target, *options):
    dispatch(["convert", str(source), str(target), *map(str, options)])
    return target


def content(path):
    return torch.load(path, weights_only=True)


def bits(state):
    return {
        name: (tuple(tensor.shape), tensor.dtype, tensor.numpy().tobytes())
        for name, tensor in state.items()
    }


@CASES
def test_round_trips_of_reference_files_keep_every_bit(file, case, tmp_path):
    folder = convert(file, tmp_path / "model", *options_of(case))
    run = convert(file, tmp_path / "run.ckpt", *options_of(case))
    expected = bits(content(file)["model"])
    for name, way in {
        "a": [folder],
        "b": [run],
        "c": [convert(folder, tmp_path / "c.ckpt"), convert(tmp_path / "c.ckpt", tmp_path / "c")],
    }.items():
        back = convert(way[-1], tmp_path / f"{name}.pth")
        assert bits(content(back)["model"]) == expected
    described = read_model(folder).description
    for path in (run, tmp_path / "c.ckpt", tmp_path / "c"):
        assert read_model(path).description == described


@CASES
def test_shapes_are_read_off_the_tensors(file, case, tmp_path):
    shape = read_model(convert(file, tmp_path / "model", *options_of(case))).description
    architecture = dataclasses.asdict(shape.architecture)
    names = {"width": "embed_dim", "decoder_width": "decoder_embed_dim"}
    for name in ("width", "depth", "fusion_depth", "mlp_ratio", "patch_size", "tubelet_size"):
        assert architecture[name] == case[names.get(name, name)], name
    if "decoder_depth" in case:
        for name in ("decoder_width", "decoder_depth"):
            assert architecture[name] == case[names.get(name, name)], name
    assert shape.modality == "audio_visual"
    assert shape.feature_fusion


@CASES
def test_converted_models_compute_what_the_reference_did(file, case, tmp_path):
    numbers = load_file(file.with_name(f"{file.stem}_io.safetensors"))
    for target in ("model", "run.ckpt"):
        path = convert(file, tmp_path / target, *options_of(case))
        if "num_outputs" in case:
            model, _ = load_recognition_model(path)
            with torch.no_grad():
                logits = model(numbers["video"].float(), numbers["audio"].float()).double()
            error = (logits - numbers["logits"]).norm() / numbers["logits"].norm()
            assert error <= 2e-6
        else:
            model = HiCMAE(read_model(path).description.architecture)
            report = load_pretrained(model, path)
            assert not report.fresh
            assert not report.dropped
            features, description = load_recognition_model(path)
            assert description.kind == "pretraining"
            name = "fusion_encoder.video_norm.weight"
            assert torch.equal(features.state_dict()[name], model.state_dict()[name])


@pytest.fixture(scope="module")
def micro():
    """A recogniser in the public format, and what its shapes do not tell."""
    case = json.loads((TESTS / "reference_micro" / "cases.json").read_text())["finetune_micro"]
    return TESTS / "reference_micro" / "finetune_micro.pth", options_of(case)


def shared_model(folder, kind="classification", **changes):
    """The folder of a random model, written by way of a table of tensors."""
    options = {"heads": 2, "image_size": 32, "num_frames": 4, "audio_frames": 32, "mel_bins": 32}
    torch.manual_seed(0)
    if kind == "pretraining":
        state = HiCMAE(tiny_architecture()).state_dict()
        options |= {"decoder_heads": 2, "skip_layers": [2], "contrast_layers": [1, 2]}
    else:
        state = RecognitionModel(tiny_architecture(), 3, **changes).state_dict()
        options["classes" if kind == "classification" else "targets"] = ["one", "two", "three"]
        if kind == "regression":
            options["activation"] = "tanh"
    file = folder.with_name("weights.safetensors")
    save_file(state, file)
    words = [
        word
        for name, value in options.items()
        for word in (f"--{name}", *map(str, value if isinstance(value, list) else [value]))
    ]
    return convert(file, folder, *words)


class TestRuns:
    @pytest.mark.parametrize(
        ("kind", "task"),
        [
            ("classification", ClassificationTask),
            ("regression", RegressionTask),
            ("pretraining", PretrainingTask),
        ],
    )
    def test_written_checkpoints_load_as_tasks(self, kind, task, tmp_path):
        folder = shared_model(tmp_path / "model", kind)
        run = convert(folder, tmp_path / "run.ckpt")
        loaded = task.load_from_checkpoint(run, weights_only=True)
        expected = load_file(folder / "model.safetensors")
        assert bits(loaded.model.state_dict()) == bits(expected)
        assert read_model(run).description == read_model(folder).description
        if kind == "regression":
            assert loaded.activation(torch.tensor(9.0)) < 1

    def test_tokens_that_stand_in_for_a_stream_survive(self, tmp_path):
        folder = shared_model(tmp_path / "model", stand_ins=True)
        run = convert(folder, tmp_path / "run.ckpt")
        loaded = ClassificationTask.load_from_checkpoint(run, weights_only=True)
        weights = load_file(folder / "model.safetensors")
        assert "audio_stand_ins" in weights
        assert bits(loaded.model.state_dict()) == bits(weights)
        described = read_model(run).description
        assert described.stand_ins
        assert described == read_model(folder).description

    def test_options_of_a_run_survive(self, tmp_path):
        task = PretrainingTask(
            video_mask_ratio=0.5,
            audio_mask_ratio=0.6,
            contrast_weight=0.1,
            temperature=0.2,
            learning_rate=0.01,
            architecture=dataclasses.asdict(tiny_architecture()),
            pretrained="/home/somebody/first.ckpt",
        )
        state = {f"model.{name}": tensor for name, tensor in task.model.state_dict().items()}
        torch.save(
            {
                "state_dict": state,
                "hyper_parameters": dict(task.hparams),
                "epoch": 4,
                "global_step": 70,
            },
            tmp_path / "last.ckpt",
        )
        folder = convert(tmp_path / "last.ckpt", tmp_path / "model")
        again = PretrainingTask.load_from_checkpoint(
            convert(folder, tmp_path / "again.ckpt"), weights_only=True
        )
        assert (again.video_mask_ratio, again.temperature) == (0.5, 0.2)
        training = read_model(folder).description.training
        assert (training["epochs"], training["steps"]) == (5, 70)
        assert training["pretrained"] == "first.ckpt"
        assert "somebody" not in (folder / "config.json").read_text()
        assert "somebody" not in (folder / "README.md").read_text()

    @pytest.mark.parametrize("modality", ["audio", "video"])
    def test_one_modality(self, modality, tmp_path):
        folder = shared_model(tmp_path / "model", modality=modality, feature_fusion=False)
        model, description = load_recognition_model(convert(folder, tmp_path / "run.ckpt"))
        assert (description.modality, description.feature_fusion) == (modality, False)
        back = convert(folder, tmp_path / "back.pth")
        assert content(back)["model"].keys() == {their_name(name) for name in model.state_dict()}

    @pytest.mark.parametrize("modality", ["audio_visual", "audio", "video"])
    def test_pooling_is_seen_in_weights_and_kept(self, modality, tmp_path):
        folder = shared_model(tmp_path / "model", modality=modality, pooling="statistics")
        model, description = load_recognition_model(convert(folder, tmp_path / "run.ckpt"))
        assert (description.modality, description.pooling) == (modality, "statistics")
        assert model.pooling == "statistics"
        card = (folder / "README.md").read_text()
        assert "layers of the fusion encoder" not in card
        assert "and their deviation over time" in card

    def test_converted_checkpoint_is_tested_as_the_original(self, corpus, tmp_path, monkeypatch):
        from hicmae.training.commands import run  # noqa: PLC0415 (other tests need no command line)

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["hicmae"])
        shape = tiny_architecture()
        task = ClassificationTask(
            ["anger", "calm", "joy"],
            architecture=dataclasses.asdict(shape),
            learning_rate=0.01,
        )
        original = tmp_path / "original.ckpt"
        task_state = {f"model.{name}": value for name, value in task.model.state_dict().items()}
        inputs = {"frame_size": 32}
        torch.save(
            {
                "state_dict": task_state,
                "hyper_parameters": dict(task.hparams),
                "datamodule_hyper_parameters": inputs,
                "pytorch-lightning_version": "2.6.0",
                "epoch": 0,
                "global_step": 0,
            },
            original,
        )
        written = convert(convert(original, tmp_path / "model"), tmp_path / "written.ckpt")
        tables = []
        for path in (original, written):
            done = run(
                [
                    "test",
                    "--model=hicmae.tasks.ClassificationTask",
                    f"--model.architecture={json.dumps(dataclasses.asdict(shape))}",
                    "--model.learning_rate=0.01",
                    "--data=hicmae.data.datamodules.ManifestDataModule",
                    f"--data.manifest={corpus / 'manifest.csv'}",
                    "--data.label=emotion",
                    *(f"--data.{name}={value}" for name, value in INPUTS.items()),
                    "--trainer.accelerator=cpu",
                    "--trainer.enable_progress_bar=false",
                    f"--ckpt_path={path}",
                ]
            )
            tables.append(pd.read_csv(Path(done.trainer.log_dir) / "test_predictions.csv"))
        pd.testing.assert_frame_equal(*tables)
        assert len(tables[0]) == 3


class TestNames:
    @settings(max_examples=12)
    @given(
        depth=st.integers(1, 11),
        fusion=st.integers(0, 3),
        decoder=st.integers(2, 4),
        pretrained=st.booleans(),
    )
    def test_names_go_there_and_back(self, depth, fusion, decoder, pretrained):
        shape = tiny_architecture(
            depth=depth,
            fusion_depth=fusion,
            decoder_depth=decoder,
            skip_layers=[depth],
            contrast_layers=[],
        )
        with torch.device("meta"):
            model = HiCMAE(shape) if pretrained else RecognitionModel(shape, 2)
        ours = set(model.state_dict())
        theirs = {their_name(name) for name in ours}
        assert len(theirs) == len(ours)
        assert {our_name(name) for name in theirs} == ours
        changed = {name for name in ours if their_name(name) == name}
        assert changed <= {
            "head.weight",
            "head.bias",
            "video_layer_weights",
            "audio_layer_weights",
        }

    @CASES
    def test_names_of_the_reference_come_back(self, file, case):
        for name in content(file)["model"]:
            assert their_name(our_name(name)) == name


class TestWhatIsAsked:
    def refuse(self, error, *said, **about):
        arguments = about["arguments"]
        with pytest.raises(error) as caught:
            dispatch(["convert", *(str(argument) for argument in arguments)])
        for words in said:
            assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    def without(self, options, name, *instead):
        """Options with one of them left out, or given other values."""
        start = options.index(f"--{name}")
        rest = [word[:2] == "--" for word in options[start + 1 :]] + [True]
        kept = options[:start] + options[start + 1 + rest.index(True) :]
        return kept + ([f"--{name}", *instead] if instead else [])

    def test_names_of_the_outputs(self, micro, tmp_path):
        file, options = micro
        for changed, said in (
            (self.without(options, "classes"), "head with 4 rows"),
            (self.without(options, "classes", "joy", "fear"), "2 names"),
            ([*options, "--targets", "a", "b", "c", "d"], "not with both"),
            (self.without(options, "classes", "a", "a", "b", "c"), "same name"),
        ):
            self.refuse(HicmaeError, said, arguments=[file, tmp_path / "model", *changed])
        assert not list(tmp_path.iterdir())

    def test_heads_of_a_size_that_is_not_published(self, micro, tmp_path):
        file, options = micro
        changed = self.without(options, "heads")
        arguments = [file, tmp_path / "model", *changed]
        self.refuse(ConfigError, "width 16", "--heads", arguments=arguments)

    def test_heads_of_published_sizes_are_known(self, tmp_path):
        with torch.device("meta"):
            shapes = RecognitionModel(tiny_architecture(width=256, heads=4), 2).state_dict()
        save_file({n: torch.zeros(t.shape) for n, t in shapes.items()}, tmp_path / "w.safetensors")
        model = read_model(tmp_path / "w.safetensors", GivenFacts(targets=["arousal", "valence"]))
        assert model.description.architecture.heads == 4
        assert model.description.architecture.image_size == 160
        assert model.description.kind == "regression"

    def test_layers_of_a_depth_that_is_not_published(self, tmp_path):
        file = TESTS / "reference_micro" / "pretrain_micro.pth"
        sizes = ["--heads=2", "--decoder_heads=2", "--image_size=32"]
        for options, said in (
            (sizes, "--skip_layers"),
            ([*sizes, "--skip_layers", "2"], "--contrast_layers"),
            ([*sizes, "--skip_layers", "1", "2", "--contrast_layers", "2"], "1 skip connections"),
            ([*sizes, "--classes", "a"], "no head"),
            ([*sizes, "--skip_layers", "5", "--contrast_layers", "2"], "5"),
        ):
            self.refuse(HicmaeError, said, arguments=[file, tmp_path / "model", *options])

    def test_options_that_say_nothing(self, micro, tmp_path):
        file, options = micro
        for extra in ("--activation=tanh", "--decoder_heads=2", "--skip_layers=1"):
            name = extra.split("=")[0]
            arguments = [file, tmp_path / "model", *options, extra]
            self.refuse(ConfigError, name, "no meaning", arguments=arguments)
        folder = convert(file, tmp_path / "model", *options)
        arguments = [folder, tmp_path / "x.ckpt", "--heads=4"]
        self.refuse(ConfigError, "--heads", "leave it out", arguments=arguments)
        arguments = [folder, tmp_path / "x.pth", "--license=mit"]
        self.refuse(ConfigError, "--license", "tensors alone", arguments=arguments)

    def test_targets_that_are_no_format(self, micro, tmp_path):
        file, options = micro
        for name, said in (
            ("model.safetensors", "name a folder"),
            ("model.onnx", "no format"),
            ("model-1.5", "with / behind"),
        ):
            self.refuse(ConfigError, said, arguments=[file, tmp_path / name, *options])
        convert(file, f"{tmp_path / 'model-1.5'}/", *options)
        assert (tmp_path / "model-1.5" / "config.json").is_file()

    def test_nothing_is_replaced_unasked(self, micro, tmp_path):
        file, options = micro
        for name in ("model", "run.ckpt", "back.pth"):
            target = convert(file, tmp_path / name, *options)
            files = [target] if target.is_file() else sorted(target.iterdir())
            before = [path.read_bytes() for path in files]
            files[0].write_bytes(b"mine")
            arguments = [file, target, *options]
            self.refuse(HicmaeError, "--overwrite", str(target), arguments=arguments)
            assert files[0].read_bytes() == b"mine"
            convert(*arguments, "--overwrite")
            assert [path.read_bytes() for path in files] == before  # the same bytes every time

    def test_other_files_of_a_folder_stay(self, micro, tmp_path):
        file, options = micro
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "notes.txt").write_text("mine")
        convert(file, tmp_path / "model", *options)
        assert {path.name for path in (tmp_path / "model").iterdir()} == {
            "README.md",
            "config.json",
            "model.safetensors",
            "notes.txt",
        }

    def test_broken_writing_leaves_nothing(self, micro, tmp_path, monkeypatch):
        file, options = micro
        monkeypatch.setattr("hicmae.checkpoints.sharing.model_card", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(file, tmp_path / "model", *options)
        assert not list((tmp_path / "model").iterdir())

    def test_decoders_are_asked_for_by_a_task_alone(self, tmp_path):
        state = HiCMAE(tiny_architecture()).state_dict()
        save_file({n: t for n, t in state.items() if "encoder." in n}, tmp_path / "e.safetensors")
        options = ["--heads=2", "--image_size=32", "--num_frames=4", "--audio_frames=32"]
        options += ["--mel_bins=32"]
        folder = convert(tmp_path / "e.safetensors", tmp_path / "model", *options)
        assert load_recognition_model(folder)[1].kind == "pretraining"
        self.refuse(CheckpointError, "decoders", arguments=[folder, tmp_path / "x.ckpt"])


class TestWhatIsInTheFile:
    def test_command_line_beside_the_weights_is_no_danger(self, micro, tmp_path):
        """As the public implementation saves it."""
        file, options = micro
        state = content(file)["model"]
        path = tmp_path / "with-arguments.pth"
        torch.save({"model": state, "args": argparse.Namespace(lr=1e-3), "epoch": 9}, path)
        folder = convert(path, tmp_path / "model", *options)
        assert read_model(folder).description.training["epochs"] == 10

    def test_missing_and_superfluous_tensors(self, micro, tmp_path):
        file, options = micro
        state = content(file)["model"]
        whole = dict(state)
        for change, said in (
            ({"encoder.blocks.0.mlp.fc1.bias": None}, "blocks.0.mlp.fc1.bias"),
            ({"encoder.blocks.1.norm1.weight": None}, "blocks.1.attention_norm.weight"),
            ({"encoder.blocks.7.norm1.weight": torch.ones(16)}, "lacks the layer"),
            ({"extra.weight": torch.ones(3)}, "extra.weight"),
            ({"fc_norm.weight": torch.ones(65)}, "head_norm.weight"),
            ({"fc_norm.weight": torch.ones(64, dtype=torch.int64)}, "real numbers"),
            ({"head.weight": torch.ones(1).expand(4, 64)}, "head.weight"),
            ({"head_norm.weight": torch.ones(64)}, "twice"),
            ({"encoder.norm.weight": torch.ones(())}, "encoder.norm.weight"),
        ):
            changed = {name: t for name, t in (whole | change).items() if t is not None}
            torch.save({"model": changed}, tmp_path / "changed.pth")
            with pytest.raises(CheckpointError, match=said):
                convert(tmp_path / "changed.pth", tmp_path / "model", *options)
        assert not (tmp_path / "model").exists()

    def test_other_models(self, tmp_path):
        torch.save({"layer1.weight": torch.ones(2)}, tmp_path / "resnet.pth")
        with pytest.raises(CheckpointError, match="no weights of a HiCMAE model"):
            convert(tmp_path / "resnet.pth", tmp_path / "model")


class Payload:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class TestFilesThatMeanNoGood:
    @pytest.mark.parametrize("writer", ["pickle", "torch"])
    @pytest.mark.parametrize("name", ["evil.pth", "evil.ckpt", "evil.safetensors", "model"])
    def test_foreign_code_is_not_run(self, writer, name, tmp_path):
        evidence = tmp_path / "executed"
        shape = {"state_dict": {"model.head.weight": torch.ones(1)}, "extra": Payload(evidence)}
        path = tmp_path / name
        if name == "model":
            path = shared_model(tmp_path / name) / "model.safetensors"
        if writer == "pickle":
            path.write_bytes(pickle.dumps(shape, protocol=2))
        else:
            torch.save(shape, path)
        source = tmp_path / name
        for read in (
            lambda: convert(source, tmp_path / "target"),
            lambda: load_recognition_model(source),
            lambda: load_pretrained(RecognitionModel(tiny_architecture(), 3), source),
        ):
            with pytest.raises(CheckpointError) as caught:
                read()
            assert str(path.name) in str(caught.value)
            assert "\n" not in str(caught.value)
        assert not evidence.exists()
        assert not (tmp_path / "target").exists()
        if writer == "torch":
            torch.load(path, weights_only=False)  # the file would have done it
            assert evidence.exists()

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
    def test_truncated_weights(self, share, tmp_path):
        folder = shared_model(tmp_path / "model")
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[: int(share * weights.stat().st_size)])
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            load_recognition_model(folder)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no json",
            "[]",
            "3",
            "{}",
            '{"format": 99}',
            '{"format": 1}',
            "[" * 100_000,
            '{"format": 1' + "0" * 10_000 + "}",
        ],
        ids=lambda text: text[:12] or "empty",
    )
    def test_config_of_something_else(self, text, tmp_path):
        folder = shared_model(tmp_path / "model")
        (folder / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"config\.json"):
            load_recognition_model(folder)

    def test_config_that_is_no_text(self, tmp_path):
        folder = shared_model(tmp_path / "model")
        (folder / "config.json").write_bytes(bytes(range(256)))
        with pytest.raises(CheckpointError, match=r"config\.json"):
            load_recognition_model(folder)

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            ("architecture.width", 10**9),
            ("architecture.width", 32),
            ("architecture.width", 0),
            ("architecture.width", -16),
            ("architecture.width", 16.0),
            ("architecture.width", "16"),
            ("architecture.width", None),
            ("architecture.width", True),
            ("architecture.depth", 10**9),
            ("architecture.depth", 3),
            ("architecture.fusion_depth", 10**9),
            ("architecture.heads", 10**9),
            ("architecture.mlp_ratio", 1e300),
            ("architecture.mlp_ratio", float("inf")),
            ("architecture.mlp_ratio", float("nan")),
            ("architecture.mlp_ratio", -4.0),
            ("architecture.image_size", 16 * 10**9),
            ("architecture.image_size", 65536),
            ("architecture.num_frames", 2 * 10**9),
            ("architecture.audio_frames", 16 * 10**9),
            ("architecture.patch_size", 2**40),
            ("architecture.skip_layers", [1, "2"]),
            ("architecture.skip_layers", 3),
            ("architecture.fusion_order", "backwards"),
            ("architecture.colour", "red"),
            ("architecture", []),
            ("inputs.stride", 0),
            ("inputs.crop_pct", 0.0),
            ("inputs.frame_size", 10**12),
            ("inputs.speed", 1),
            ("outputs", ["one", "two"]),
            ("outputs", []),
            ("outputs", ["one", "one", "two"]),
            ("outputs", ["one", 2, "three"]),
            ("outputs", "abc"),
            ("kind", "pretraining"),
            ("kind", "magic"),
            ("kind", []),
            ("modality", "audio"),
            ("modality", "smell"),
            ("feature_fusion", False),
            ("feature_fusion", 1),
            ("training", [1]),
            ("training", {"data": "clips"}),
            ("training", {"test": {"WAR": "high"}}),
            ("training", {"epochs": "many"}),
        ],
        ids=lambda value: str(value)[:24],
    )
    def test_config_that_lies(self, place, value, tmp_path):
        folder = shared_model(tmp_path / "model")
        config = json.loads((folder / "config.json").read_text())
        *path, name = place.split(".")
        table = config
        for part in path:
            table = table[part]
        table[name] = value
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(CheckpointError) as caught:
            load_recognition_model(folder)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(CheckpointError):
            convert(folder, tmp_path / "target")

    @pytest.mark.parametrize(
        ("description", "said"),
        [
            ([], "it is no table"),
            ({}, "it is no table"),
            ({"width": 10**9}, "width is 1000000000"),
            ({"width": "wide"}, "architecture.width is 'wide' and not a valid integer"),
            ({"colour": "red"}, "there is no architecture.colour"),
            ({"width": 32}, "width is 32, but by its weights 16"),
            (None, "trains no model to be used alone"),
        ],
        ids=str,
    )
    def test_description_in_a_checkpoint_that_lies(self, tmp_path, description, said):
        run = convert(shared_model(tmp_path / "model"), tmp_path / "run.ckpt")
        changed = content(run)
        if description:
            changed["description"]["architecture"] |= description
        else:
            changed["description"] = description
        torch.save(changed, tmp_path / "changed.ckpt")
        with pytest.raises(CheckpointError, match=r"changed\.ckpt") as caught:
            load_recognition_model(tmp_path / "changed.ckpt")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_options_of_a_checkpoint_that_lie(self, tmp_path):
        """Version 0.1 wrote no description, so that its options are believed as far as they fit."""
        run = convert(shared_model(tmp_path / "model"), tmp_path / "run.ckpt")
        for name, value in (
            ("architecture", {"width": 10**9, "heads": 1}),
            ("architecture", {"width": "wide"}),
            ("architecture", 3),
            ("architecture", {"colour": "red"}),
            ("size", "giant"),
            ("modality", "smell"),
            ("class_names", 3),
        ):
            changed = content(run)
            del changed["description"]
            changed["hyper_parameters"][name] = value
            torch.save(changed, tmp_path / "changed.ckpt")
            with pytest.raises(CheckpointError, match=r"changed\.ckpt"):
                load_recognition_model(tmp_path / "changed.ckpt")

    def test_weights_beside_another_name(self, tmp_path):
        """Only model.safetensors belongs to config.json."""
        folder = shared_model(tmp_path / "model")
        (folder / "model.safetensors").rename(folder / "other.safetensors")
        with pytest.raises(CheckpointError, match="does not say what model"):
            load_recognition_model(folder / "other.safetensors")
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            load_recognition_model(folder)
