"""Layer weights, confusion matrices and curves of made runs; names and files of pictures."""

import math

import pandas as pd
import pytest
import torch
from made_runs import pretraining, save_predictions, save_task
from matplotlib.figure import Figure
from tiny import CLASSES
from tiny_tasks import classification

from hicmae.errors import CheckpointError, ConfigError, DataError
from hicmae.visualize.confusion import confusion_matrix_figure
from hicmae.visualize.curves import curves_figure, read_curves
from hicmae.visualize.layer_weights import layer_weights, layer_weights_figure
from hicmae.visualize.style import save_figure, short_names


class TestLayerWeights:
    def test_softmax_of_what_was_learnt(self, tmp_path):
        task = classification()
        with torch.no_grad():
            task.model.video_layer_weights.copy_(torch.tensor([0.0, math.log(3)]))
        path = save_task(tmp_path / "best.ckpt", task)
        table = layer_weights(path)
        assert table["layer"].tolist() == [1, 2]
        assert table["video"].tolist() == pytest.approx([0.25, 0.75])
        assert table["audio"].tolist() == pytest.approx([0.5, 0.5])

        figure = layer_weights_figure([path])
        video, audio = figure.axes
        tops = [bar.get_y() + bar.get_height() for bar in video.patches]
        assert tops == pytest.approx([0.25, 0.75])
        assert audio.get_title() == "audio encoder"

    def test_models_side_by_side(self, tmp_path):
        both = save_task(tmp_path / "both" / "best.ckpt", classification())
        audio = save_task(tmp_path / "sound" / "best.ckpt", classification(modality="audio"))
        figure = layer_weights_figure([both, audio])
        assert [len(axes.patches) for axes in figure.axes] == [2, 4]
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert words == ["both", "sound"]

    def test_models_without(self, tmp_path):
        path = save_task(tmp_path / "a.ckpt", pretraining())
        with pytest.raises(CheckpointError, match="is only pre-trained"):
            layer_weights(path)
        path = save_task(tmp_path / "b.ckpt", classification(feature_fusion=False))
        with pytest.raises(CheckpointError, match="without feature fusion"):
            layer_weights(path)
        with pytest.raises(ConfigError, match="8 checkpoints are too many"):
            layer_weights_figure([path] * 8)


class TestConfusion:
    PAIRS = [("anger", "anger")] * 3 + [("anger", "joy")] + [("joy", "joy")]

    def test_of_a_run_folder_and_of_a_table(self, tmp_path):
        path = save_predictions(
            tmp_path / "mine" / "version_0" / "test_predictions.csv", self.PAIRS
        )
        for given in (path, path.parent):
            figure = confusion_matrix_figure(given)
            axes = figure.axes[0]
            # UAR is the mean of 3/4 and 1/1, WAR 4/5; calm does not occur
            assert axes.get_title() == "mine\nUAR 87.5 %, WAR 80.0 %, 5 clips"
            assert [tick.get_text() for tick in axes.get_xticklabels()] == CLASSES
            counts = {text.get_position(): text.get_text() for text in axes.texts}
            assert counts == {(0, 0): "3", (2, 0): "1", (2, 2): "1"}

    def test_tables_that_do_not_do(self, tmp_path):
        with pytest.raises(ConfigError, match="gone does not exist"):
            confusion_matrix_figure(tmp_path / "gone")
        with pytest.raises(DataError, match=r"has no test_predictions\.csv"):
            confusion_matrix_figure(tmp_path)
        path = tmp_path / "table.csv"
        for content, told in (
            ("id,arousal_target,arousal\na,1,2\n", "no column target"),
            ("id,target,prediction,anger,joy\n", "holds no prediction"),
            ("id,target,prediction\na,anger,anger\n", "no column for each class"),
            ("id,target,prediction,joy,calm\na,anger,joy,1,0\n", "name the class 'anger'"),
            ("", "is no table of predictions"),
        ):
            path.write_text(content)
            with pytest.raises(DataError, match=told):
                confusion_matrix_figure(path)


METRICS = """\
epoch,step,train/loss_step,train/loss_epoch,train/rate,val/loss,val/UAR,test/UAR
0,1,9.0,,,,,
0,2,,3.0,,2.5,0.2,
1,3,8.0,,0.5,,,
1,4,,2.0,,,,
1,4,,1.5,,2.0,0.4,
2,5,7.0,,,,,
2,5,,,,,,0.9
"""


class TestCurves:
    @pytest.fixture
    def run(self, tmp_path):
        folder = tmp_path / "mine" / "version_0"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(METRICS)
        return folder

    def test_values_by_epoch(self, run):
        curves = read_curves(run)
        assert set(curves) == {
            ("train", "loss"),
            ("train", "rate"),
            ("val", "loss"),
            ("val", "UAR"),
        }
        # means of epochs, the later of two; single steps are no part of it
        assert curves["train", "loss"].to_dict() == {1: 3.0, 2: 1.5}
        assert curves["val", "UAR"].to_dict() == {1: 0.2, 2: 0.4}

    def test_steps_fill_in_where_there_are_no_means(self, run):
        (run / "metrics.csv").write_text("epoch,step,train/loss_step\n0,1,4\n0,2,2\n1,3,1\n")
        assert read_curves(run)["train", "loss"].to_dict() == {1: 3.0, 2: 1.0}

    def test_a_panel_for_every_metric_and_a_colour_for_every_run(self, run, tmp_path):
        other = tmp_path / "other" / "version_0"
        other.mkdir(parents=True)
        (other / "metrics.csv").write_text("epoch,step,val/loss\n0,1,4\n1,2,3\n")
        figure = curves_figure([run, other])
        drawn = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
        assert list(drawn) == ["loss", "UAR", "rate"]
        assert len(drawn["loss"].lines) == 3
        assert len({line.get_color() for line in drawn["loss"].lines}) == 2
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert words == ["mine", "other", "training", "validation"]

    def test_chosen_metrics(self, run):
        figure = curves_figure([run], ["val/loss", "UAR"])
        assert [axes.get_title() for axes in figure.axes] == ["val/loss", "UAR"]
        assert figure.axes[0].lines[0].get_ydata().tolist() == [2.5, 2.0]
        with pytest.raises(ConfigError, match="names WAR, which no run has: choose of loss, UAR"):
            curves_figure([run], ["WAR"])

    def test_mistakes(self, run, tmp_path):
        with pytest.raises(DataError, match=r"metrics\.csv does not exist"):
            read_curves(tmp_path)
        for content, told in (
            ("", "is no table of metrics"),
            ("a,b\n1,2\n", "has no column epoch"),
            ("epoch,step,test/UAR\n0,1,0.5\n", "no metric of training or validation"),
        ):
            (run / "metrics.csv").write_text(content)
            with pytest.raises(DataError, match=told):
                read_curves(run)
        with pytest.raises(ConfigError, match="8 runs are too many"):
            curves_figure([run] * 8)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["r/a/version_0/checkpoints/best.ckpt"], ["a"]),
        (["r/a/version_0", "r/b/version_0"], ["a", "b"]),
        (["r/a/version_0", "r/a/version_1"], ["version_0", "version_1"]),
        (["r/a/x/best.ckpt", "r/a/y/best.ckpt"], ["x", "y"]),
        (["r/a/x", "r/b/y"], ["a/x", "b/y"]),
        (["r/a", "r/a/b"], ["a", "a/b"]),
        (["r/model-1.0"], ["model-1.0"]),
        (["r/a", "r/a"], ["a", "a"]),
    ],
)
def test_runs_are_called_by_what_sets_them_apart(paths, names):
    assert short_names(paths) == names


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "begins"), [("a.png", b"\x89PNG"), ("b.PDF", b"%PDF"), ("c.svg", b"<?xml")]
    )
    def test_format_by_suffix(self, tmp_path, name, begins):
        path = save_figure(Figure(), tmp_path / "new" / name)
        assert path.read_bytes().startswith(begins)
        assert [item.name for item in path.parent.iterdir()] == [name]

    def test_another_suffix(self, tmp_path):
        with pytest.raises(ConfigError, match=r"a\.bmp must end in \.png, \.pdf, \.svg"):
            save_figure(Figure(), tmp_path / "a.bmp")


def test_predictions_keep_names_that_look_like_numbers(tmp_path):
    table = pd.DataFrame({"id": ["a", "b"], "target": ["1", "2"], "prediction": ["1", "1"]})
    table[["1", "2"]] = 0.5
    table.to_csv(tmp_path / "p.csv", index=False)
    assert "UAR 50.0 %" in confusion_matrix_figure(tmp_path / "p.csv").axes[0].get_title()
