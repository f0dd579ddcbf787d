import json
import resource

import lightning.pytorch as pl
import pytest
import rich
import torch
from tiny import CONFIDENCE, MODEL, SCORES
from tiny_tasks import Batches, classification, make_batch, pretraining, tiny_trainer

from hicmae.models import Mask
from hicmae.models.encoders import AudioEmbedding, VideoEmbedding
from hicmae.tasks import PretrainingTask
from hicmae.training.callbacks import ModelCost, ResultsFile, multiply_adds
from hicmae.training.progress import ClipProgressBar


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    """Runs without a logger write into the current folder."""
    monkeypatch.chdir(tmp_path)


def one_batch():
    """Three clips, the same for every stage; four times in training."""
    batch = make_batch(3)
    return Batches(train=[batch] * 4, val=[batch], test=[batch])


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
            task = OnMeta(size="base", **MODEL["pretrain"])
        cost = multiply_adds(task)["HiCMAE"]
        saved = 512 * (720 * 3 * 2 * 16 * 16 + 102 * 16 * 16)
        assert round((cost + saved) / 1e9, 1) == 15.1

    def test_parts_add_up(self):
        cost = multiply_adds(pretraining())
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
        task = pretraining()
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
        run = tiny_trainer(None, ModelCost())
        task = classification()
        run.fit(task, datamodule=one_batch())
        run.test(task, datamodule=one_batch(), verbose=False)
        printed = capsys.readouterr().out
        assert printed.count("multiply-adds per clip") == 1
        for part in ("RecognitionModel", "video_encoder", "fusion_encoder", "head_norm", "all"):
            assert part in printed
        total = sum(parameter.numel() for parameter in task.model.parameters())
        assert f"{total / 1e6:.2f} M" in printed

    def test_a_test_alone_prints_too(self, capsys):
        tiny_trainer(None, ModelCost()).test(
            classification(), datamodule=one_batch(), verbose=False
        )
        assert capsys.readouterr().out.count("multiply-adds per clip") == 1

    def test_pretraining_is_measured_under_masks(self, capsys):
        task = pretraining()
        tiny_trainer(None, ModelCost()).fit(task, datamodule=one_batch())
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

        run = tiny_trainer(tmp_path, Watched(), enable_progress_bar=True)
        run.fit(classification(), datamodule=one_batch())
        assert all("v_num" not in metrics for metrics in seen)
        assert float(seen[-1]["clips/s"]) > 0
        assert ("val/WAR" in seen[-1]) == (width == 200)


class TestResultsFile:
    def test_holds_the_metrics_of_the_test(self, tmp_path):
        run = tiny_trainer(tmp_path, ResultsFile())
        scores = run.test(classification(), datamodule=one_batch(), verbose=False)[0]
        written = json.loads((tmp_path / "version_0" / "test_metrics.json").read_text())
        assert written == scores
        assert set(written) == {f"test/{name}" for name in SCORES | CONFIDENCE}

    def test_training_metrics_stay_out(self, tmp_path):
        run = tiny_trainer(tmp_path, ResultsFile())
        task = classification()
        run.fit(task, datamodule=one_batch())
        assert not (tmp_path / "version_0" / "test_metrics.json").exists()
        run.test(task, datamodule=one_batch(), verbose=False)
        written = json.loads((tmp_path / "version_0" / "test_metrics.json").read_text())
        assert all(name.startswith("test/") for name in written)

    def test_without_a_logger_they_lie_in_the_root_folder(self, tmp_path):
        run = tiny_trainer(None, ResultsFile(), default_root_dir=tmp_path)
        run.test(classification(), datamodule=one_batch(), verbose=False)
        assert "test/UAR" in json.loads((tmp_path / "test_metrics.json").read_text())

    def test_full_disk_leaves_an_earlier_one_whole(self, tmp_path):
        run = tiny_trainer(None, ResultsFile(), default_root_dir=tmp_path)
        task = classification()
        run.test(task, datamodule=one_batch(), verbose=False)
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
