import json
import resource

import lightning.pytorch as pl
import pytest
import rich
import torch
from lightning.pytorch.loggers import CSVLogger
from tiny import ARCHITECTURE
from torch.utils.data import DataLoader

from hicmae.models import Mask
from hicmae.models.encoders import AudioEmbedding, VideoEmbedding
from hicmae.tasks import ClassificationTask, PretrainingTask
from hicmae.training.callbacks import ModelCost, ResultsFile, multiply_adds
from hicmae.training.progress import ClipProgressBar

CLASSES = ["anger", "calm", "joy"]


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    """Runs without a logger write into the current folder."""
    monkeypatch.chdir(tmp_path)


class OneBatch(pl.LightningDataModule):
    """Three clips, the same for every stage."""

    batch_size = 3

    def steps_per_epoch(self, world_size=1):
        return 4 // world_size

    def _loader(self, count=1):
        rng = torch.Generator().manual_seed(0)
        batch = {
            "video": torch.randn(3, 1, 3, 4, 32, 32, generator=rng),
            "audio": torch.randn(3, 1, 1, 32, 32, generator=rng),
            "target": torch.arange(3),
            "id": ["a", "b", "c"],
            "index": torch.arange(3),
            "skipped": [],
        }
        return DataLoader([batch] * count, batch_size=None)

    def train_dataloader(self):
        return self._loader(4)

    def val_dataloader(self):
        return self._loader()

    test_dataloader = val_dataloader


def classification(**options):
    torch.manual_seed(0)
    defaults = {"learning_rate": 0.01, "architecture": ARCHITECTURE}
    return ClassificationTask(CLASSES, **defaults | options)


def pretraining(cls=PretrainingTask, **options):
    torch.manual_seed(0)
    defaults = {
        "video_mask_ratio": 0.75,
        "audio_mask_ratio": 0.75,
        "contrast_weight": 0.05,
        "temperature": 0.07,
        "learning_rate": 0.01,
    }
    return cls(**defaults | options)


def trainer(folder, *callbacks, progress=False, **options):
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=list(callbacks),
        logger=CSVLogger(folder, name="") if folder else False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        log_every_n_steps=1,
        **options,
    )


class TestMultiplyAdds:
    @pytest.mark.parametrize(
        ("size", "published"), [("tiny", 13.8), ("small", 27.6), ("base", 46.1)]
    )
    def test_recogniser_costs_what_is_published(self, size, published):
        with torch.device("meta"):
            task = classification(size=size, architecture=None)
        cost = multiply_adds(task)
        assert round(cost["RecognitionModel"] / 1e9, 1) == published

    def test_pretraining_costs_what_is_published_less_the_masked_embeddings(self):
        """The published count embeds all patches and drops the masked ones afterwards."""

        class OnMeta(PretrainingTask):
            """Masks of the published counts, of which only the shape matters."""

            def example_forward(self):
                def mask(visible, masked):
                    return Mask(*(torch.zeros(1, n, dtype=torch.int64) for n in (visible, masked)))

                with torch.device("meta"):
                    self.model(*self.example_clip(), mask(80, 720), mask(26, 102))

        with torch.device("meta"):
            task = pretraining(OnMeta, size="base")
        cost = multiply_adds(task)["HiCMAE"]
        saved = 512 * (720 * 3 * 2 * 16 * 16 + 102 * 16 * 16)
        assert round((cost + saved) / 1e9, 1) == 15.1

    def test_parts_add_up(self):
        cost = multiply_adds(pretraining(architecture=ARCHITECTURE))
        parts = (
            "video_encoder",
            "audio_encoder",
            "fusion_encoder",
            "video_decoder",
            "audio_decoder",
        )
        assert cost["HiCMAE"] == sum(cost[f"HiCMAE.{part}"] for part in parts)
        assert cost["HiCMAE.no_such_part"] == 0

    def test_embeddings_of_visible_patches_alone_are_counted(self):
        task = pretraining(architecture=ARCHITECTURE)
        cost = multiply_adds(task)
        embeddings = [m for m in task.model.modules() if isinstance(m, VideoEmbedding)]
        assert len(embeddings) == 1
        # 2 of 8 tubes and 1 of 4 patches are visible.
        assert cost["HiCMAE.video_encoder.embedding"] == 2 * 16 * 3 * 2 * 16 * 16
        assert isinstance(task.model.audio_encoder.embedding, AudioEmbedding)
        assert cost["HiCMAE.audio_encoder.embedding"] == 1 * 16 * 16 * 16

    @pytest.mark.parametrize("training", [True, False])
    def test_measuring_leaves_no_trace(self, training):
        task = classification(drop_path=0.5)
        task.model.train(training)
        state = torch.get_rng_state()
        multiply_adds(task)
        assert task.model.training is training
        assert torch.equal(torch.get_rng_state(), state)
        assert all(parameter.grad is None for parameter in task.parameters())


class TestModelCost:
    def test_fit_prints_the_parts_once(self, capsys):
        run = trainer(None, ModelCost())
        task = classification()
        run.fit(task, datamodule=OneBatch())
        run.test(task, datamodule=OneBatch(), verbose=False)
        printed = capsys.readouterr().out
        assert printed.count("multiply-adds per clip") == 1
        for part in ("RecognitionModel", "video_encoder", "fusion_encoder", "head_norm", "all"):
            assert part in printed
        total = sum(parameter.numel() for parameter in task.model.parameters())
        assert f"{total / 1e6:.2f} M" in printed

    def test_a_test_alone_prints_too(self, capsys):
        trainer(None, ModelCost()).test(classification(), datamodule=OneBatch(), verbose=False)
        assert capsys.readouterr().out.count("multiply-adds per clip") == 1

    def test_pretraining_is_measured_under_masks(self, capsys):
        task = pretraining(architecture=ARCHITECTURE, figure_every_n_epochs=0)
        trainer(None, ModelCost()).fit(task, datamodule=OneBatch())
        assert "video_decoder" in capsys.readouterr().out

    def test_other_modules_are_left_alone(self, capsys):
        ModelCost._print(pl.LightningModule())
        assert not capsys.readouterr().out


class TestProgressBar:
    @pytest.fixture
    def terminal(self, monkeypatch):
        """`terminal(width)` has the standard output taken for a terminal."""

        def make(width):
            monkeypatch.setenv("COLUMNS", str(width))
            rich.reconfigure(force_terminal=True)

        yield make
        rich.reconfigure()

    @pytest.mark.parametrize("width", [80, 200])
    def test_shows_clips_per_second_on_one_line(self, tmp_path, terminal, width):
        terminal(width)
        seen = []

        class Watched(ClipProgressBar):
            def get_metrics(self, trainer, pl_module):
                metrics = super().get_metrics(trainer, pl_module)
                seen.append(metrics)
                return metrics

        run = trainer(tmp_path, Watched(), progress=True)
        run.fit(classification(), datamodule=OneBatch())
        assert all("v_num" not in metrics for metrics in seen)
        assert float(seen[-1]["clips/s"]) > 0
        assert ("val/WAR" in seen[-1]) == (width == 200)


class TestResultsFile:
    def test_holds_the_metrics_of_the_test(self, tmp_path):
        run = trainer(tmp_path, ResultsFile())
        scores = run.test(classification(), datamodule=OneBatch(), verbose=False)[0]
        written = json.loads((tmp_path / "version_0" / "test_metrics.json").read_text())
        assert written == scores
        assert set(written) == {
            f"test/{name}" for name in ("loss", "UAR", "WAR", "F1_weighted", "F1_macro")
        }

    def test_training_metrics_stay_out(self, tmp_path):
        run = trainer(tmp_path, ResultsFile())
        task = classification()
        run.fit(task, datamodule=OneBatch())
        assert not (tmp_path / "version_0" / "test_metrics.json").exists()
        run.test(task, datamodule=OneBatch(), verbose=False)
        written = json.loads((tmp_path / "version_0" / "test_metrics.json").read_text())
        assert all(name.startswith("test/") for name in written)

    def test_without_a_logger_they_lie_in_the_root_folder(self, tmp_path):
        run = trainer(None, ResultsFile(), default_root_dir=tmp_path)
        run.test(classification(), datamodule=OneBatch(), verbose=False)
        assert "test/UAR" in json.loads((tmp_path / "test_metrics.json").read_text())

    def test_full_disk_leaves_an_earlier_one_whole(self, tmp_path):
        run = trainer(None, ResultsFile(), default_root_dir=tmp_path)
        task = classification()
        run.test(task, datamodule=OneBatch(), verbose=False)
        before = (tmp_path / "test_metrics.json").read_text()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                ResultsFile().on_test_end(run, task)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (tmp_path / "test_metrics.json").read_text() == before
        assert not list(tmp_path.glob(".*"))
