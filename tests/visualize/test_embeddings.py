"""Features in a plane: means of windows, labels of clips, layouts."""

import sys

import numpy as np
import pandas as pd
import pytest

from hicmae.data.manifest import complete_manifest
from hicmae.errors import ConfigError, DataError
from hicmae.inference.features import FeatureTable
from hicmae.inference.results import Embedding
from hicmae.visualize.embeddings import (
    clip_features,
    embeddings_figure,
    features_of,
    match_labels,
    project,
)

EMOTIONS = ["anger", "calm", "joy"]


def embedding(source, joint, person=1):
    joint = np.asarray(joint, np.float32)
    times = np.stack([np.arange(len(joint)), np.arange(len(joint)) + 1], 1).astype(np.float32)
    return Embedding(source, person, times, joint, None, None, np.ones((len(joint), 2), bool))


def made(clips=24):
    """Features of clips in three clear groups, and their labels."""
    rng = np.random.default_rng(0)
    rows, embeddings = [], []
    for index in range(clips):
        group = index % 3
        joint = rng.normal(0, 0.1, (2, 8)) + 10 * np.eye(3, 8)[group]
        embeddings.append(embedding(f"clip{index}.mp4", joint))
        rows.append(
            {
                "id": f"c{index}",
                "video": f"/data/clip{index}.mp4",
                "subject": f"s{index % 10}",
                "emotion": EMOTIONS[group],
                "arousal": str(index / clips),
                "grade": str(index % 4),
                "nothing": None,
            }
        )
    return features_of(embeddings), complete_manifest(pd.DataFrame(rows))


class TestClips:
    def test_mean_of_the_windows_of_the_main_person(self):
        features = features_of(
            [
                embedding("a.mp4", [[0, 2], [2, 4]]),
                embedding("a.mp4", [[100, 100]], person=2),
                embedding("b.mp4", [[7, 8]]),
            ]
        )
        table, joint = clip_features(features)
        assert table["source"].tolist() == ["a.mp4", "b.mp4"]
        assert table["windows"].tolist() == [2, 1]
        assert table["left_out"].tolist() == [1, 0]
        np.testing.assert_array_equal(joint, [[1, 3], [7, 8]])

    def test_nothing(self):
        with pytest.raises(DataError, match="embed some clips"):
            features_of([])
        table = pd.DataFrame(columns=["source", "person", "start", "end"])
        with pytest.raises(DataError, match="is empty"):
            clip_features(FeatureTable(table, np.zeros((0, 4), np.float32), None, None, {}))

    def test_a_feature_that_is_not_finite(self):
        with pytest.raises(DataError, match=r"The feature of b\.mp4 is not finite"):
            clip_features(features_of([embedding("a.mp4", [[1]]), embedding("b.mp4", [[np.nan]])]))


class TestMatching:
    TABLE = complete_manifest(
        pd.DataFrame(
            {
                "id": ["one", "two", "deep/three", "x", "y"],
                "video": [f"/data/{name}.mp4" for name in ("1", "2", "3", "a/same", "b/same")],
            }
        )
    )

    @pytest.mark.parametrize(
        ("source", "row"),
        [
            ("/data/2.mp4", "two"),
            ("two", "two"),
            ("faces/one.mkv", "one"),
            ("deep/three.mp4", "deep/three"),
            ("elsewhere/3.mp4", "deep/three"),
            ("b/same.mp4", "y"),
        ],
    )
    def test_by_path_id_or_name(self, source, row):
        assert match_labels([source], self.TABLE)["id"].tolist() == [row]

    def test_rows_come_in_the_order_of_the_clips(self):
        found = match_labels(["/data/3.mp4", "/data/1.mp4"], self.TABLE)
        assert found["id"].tolist() == ["deep/three", "one"]

    def test_a_clip_of_several_rows(self):
        with pytest.raises(DataError, match=r"same\.mp4 is the clip of 2 rows .*x, y"):
            match_labels(["same.mp4"], self.TABLE)

    def test_clips_without_a_row(self):
        with pytest.raises(DataError, match=r"2 of 3 embedded clips .*the first is new\.mp4"):
            match_labels(["/data/1.mp4", "new.mp4", "newer.mp4"], self.TABLE)


class TestProjection:
    @pytest.mark.parametrize("method", ["pca", "tsne"])
    def test_groups_stay_together_and_a_seed_repeats(self, method):
        features, _ = made()
        _, joint = clip_features(features)
        places, names = project(joint, method, seed=3)
        group = np.arange(len(joint)) % 3
        centres = np.stack([places[group == number].mean(0) for number in range(3)])
        nearest = np.linalg.norm(places[:, None] - centres, axis=-1).argmin(1)
        assert (nearest == group).all()
        np.testing.assert_array_equal(places, project(joint, method, seed=3)[0])
        assert len(names) == 2

    def test_mistakes(self, monkeypatch):
        joint = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
        with pytest.raises(ConfigError, match="no method 'mds': choose tsne, umap, pca"):
            project(joint, "mds")
        with pytest.raises(DataError, match="4 clips are too few"):
            project(joint[:4])
        monkeypatch.setitem(sys.modules, "umap", None)
        with pytest.raises(ConfigError, match=r"hicmae\[plots\]"):
            project(joint, "umap")


class TestFigure:
    def test_a_panel_for_every_column(self):
        features, manifest = made()
        figure = embeddings_figure(features, manifest, method="pca")
        by_emotion, by_subject = figure.axes
        words = [text.get_text() for text in by_emotion.get_legend().get_texts()]
        assert words == ["anger (8)", "calm (8)", "joy (8)"]
        assert len(by_subject.get_legend().get_texts()) == 10
        looks = {
            (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
            for points in by_subject.collections
        }
        assert len(looks) == 10  # more people than colours are told apart by their marks
        places = np.concatenate([points.get_offsets() for points in by_subject.collections])
        assert len(places) == 24

    def test_quantities_have_a_scale_and_grades_a_legend(self):
        features, manifest = made()
        figure = embeddings_figure(features, manifest, ["arousal", "grade"], method="pca")
        assert [axes.get_label() for axes in figure.axes][-1] == "<colorbar>"
        assert figure.axes[0].get_legend() is None
        assert len(figure.axes[1].get_legend().get_texts()) == 4

    def test_clips_without_a_label_are_shown_grey(self):
        features, manifest = made()
        manifest.loc[[0, 3], "emotion"] = None
        axes = embeddings_figure(features, manifest, ["emotion"], method="pca").axes[0]
        assert axes.get_legend().get_texts()[0].get_text() == "unknown (2)"

    def test_columns(self):
        features, manifest = made()
        with pytest.raises(DataError, match="no column mood; they have id, video"):
            embeddings_figure(features, manifest, ["mood"])
        with pytest.raises(DataError, match="column nothing of the labels is empty"):
            embeddings_figure(features, manifest, ["nothing"])
        many, table = made(60)
        table["word"] = [f"word{index}" for index in range(60)]
        with pytest.raises(DataError, match="word has 60 values"):
            embeddings_figure(many, table, ["word"], method="pca")
