"""Where the features of clips lie, by emotion and by speaker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from hicmae.choices import Layout
from hicmae.data.manifest import COLUMNS, read_manifest
from hicmae.errors import ConfigError, DataError
from hicmae.inference.features import FeatureTable
from hicmae.inference.results import Embedding
from hicmae.visualize.style import COLOURS, MARKERS

Floats = npt.NDArray[np.float32]

METHODS = get_args(Layout)
_TITLES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
_FEWEST_CLIPS = 5
# A label with more different numbers is a quantity, such as arousal, and no class.
_MOST_NUMBERED_CLASSES = 12
_MOST_CLASSES = len(COLOURS) * len(MARKERS)
_PERPLEXITY = 30.0  # the usual one; at most a third of the clips
_NEIGHBOURS = 15  # the usual number of UMAP
_LEGEND_LINES = 14


def features_of(embeddings: Sequence[Embedding]) -> FeatureTable:
    """Embeddings in memory as `hicmae embed` would write them, a row for every window.

    Args:
        embeddings: What `EmotionRecognizer.embed` gives.

    Raises:
        DataError: There are none.
    """
    if not embeddings:
        raise DataError("There are no embeddings: embed some clips first.")
    table = pd.concat(
        pd.DataFrame(
            {
                "source": embedding.source,
                "person": embedding.person,
                "start": embedding.window_times[:, 0],
                "end": embedding.window_times[:, 1],
            }
        )
        for embedding in embeddings
    )
    joint = np.concatenate([embedding.joint for embedding in embeddings])
    return FeatureTable(table.reset_index(drop=True), joint, None, None, {})


def clip_features(features: FeatureTable) -> tuple[pd.DataFrame, Floats]:
    """The mean feature of the main person of every clip.

    Args:
        features: What `hicmae embed` wrote: a row for every window of every person.

    Returns:
        A row for every clip with `source`, `windows` that were averaged, and `left_out`: the number
        of further people, who have no label of their own; and the features (N, D), in that order.

    Raises:
        DataError: There is no row, or a feature is not a finite number.
    """
    table = features.table.reset_index(drop=True)
    if table.empty:
        raise DataError("The table of features is empty: embed some clips with `hicmae embed`.")
    wrong = ~np.isfinite(features.joint).all(axis=1)
    if wrong.any():
        source = table["source"].iloc[int(wrong.argmax())]
        raise DataError(f"The feature of {source} is not finite; embed the clip again.")
    rows, joint = [], []
    for source, of_clip in table.groupby("source", sort=False):
        main = of_clip.index[of_clip["person"] == of_clip["person"].min()]
        rows.append(
            {
                "source": str(source),
                "windows": len(main),
                "left_out": of_clip["person"].nunique() - 1,
            }
        )
        joint.append(features.joint[main.to_numpy()].mean(0))
    return pd.DataFrame(rows), np.stack(joint)


def match_labels(sources: Sequence[str], manifest: pd.DataFrame) -> pd.DataFrame:
    """Finds the row of every embedded clip in a table of labels.

    A clip is known by its path; else by its name or path, with or without suffix, as `id`; else by
    its file name, and where several have it, by the folders that it was embedded with.

    Args:
        sources: Paths of the clips, as they were embedded.
        manifest: A complete manifest with resolved paths.

    Returns:
        The rows of the manifest in the order of the clips.

    Raises:
        DataError: A clip is in no row, or in several.
    """
    videos = [Path(video) for video in manifest["video"]]
    by_path = _places(str(video.resolve()) for video in videos)
    by_id = _places(manifest["id"])
    by_name = _places(video.name for video in videos)
    found, missing = [], []
    for source in sources:
        path = Path(source)
        rows = by_path.get(str(path.expanduser().resolve()), [])
        for name in (source, str(path.with_suffix("")), path.name, path.stem):
            rows = rows or by_id.get(name, [])
        rows = rows or by_name.get(path.name, [])
        if len(rows) > 1:
            parts = path.parts
            rows = [row for row in rows if videos[row].parts[-len(parts) :] == parts] or rows
        if len(rows) > 1:
            raise DataError(
                f"{source} is the clip of {len(rows)} rows of the labels "
                f"({', '.join(manifest['id'].iloc[rows[:2]])}, ...): give a table with one row for "
                "every embedded file."
            )
        if rows:
            found.append(rows[0])
        else:
            missing.append(source)
    if missing:
        raise DataError(
            f"{len(missing)} of {len(sources)} embedded clips are not in the labels, the first is "
            f"{missing[0]}: its path, file name or id must stand in the table given as --labels."
        )
    return manifest.iloc[found].reset_index(drop=True)


def _places(names: Any) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return places


def project(joint: Floats, method: Layout = "tsne", seed: int = 0) -> tuple[Floats, list[str]]:
    """Lays features out in a plane.

    Args:
        joint: Features (N, D), N at least 5.
        method: tsne and umap keep neighbours together, distances in them mean little; pca keeps
            the two directions of largest variance.
        seed: Of tsne and umap.

    Returns:
        Places (N, 2) and the names of the two axes.

    Raises:
        ConfigError: The method does not exist, or its package is not installed.
        DataError: There are too few clips.
    """
    if method not in METHODS:
        raise ConfigError(f"There is no method '{method}': choose {', '.join(METHODS)}.")
    count = len(joint)
    if count < _FEWEST_CLIPS:
        raise DataError(f"{count} clips are too few for a picture; embed {_FEWEST_CLIPS} or more.")
    title = _TITLES[method]
    names = [f"{title} 1", f"{title} 2"]
    try:
        if method == "umap":
            import umap  # noqa: PLC0415 (takes seconds)

            neighbours = min(_NEIGHBOURS, count - 1)
            # One job, since several would make the result depend on their order.
            reducer = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1)
            return np.asarray(reducer.fit_transform(joint), np.float32), names
        if method == "tsne":
            from sklearn.manifold import TSNE  # noqa: PLC0415

            perplexity = min(_PERPLEXITY, (count - 1) / 3)
            reducer = TSNE(perplexity=perplexity, init="pca", random_state=seed)
            return np.asarray(reducer.fit_transform(joint), np.float32), names
        from sklearn.decomposition import PCA  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"--method {method} needs the package {error.name}: pip install 'hicmae[plots]'."
        ) from error
    reducer = PCA(2, svd_solver="full")
    places = np.asarray(reducer.fit_transform(joint), np.float32)
    shares = reducer.explained_variance_ratio_
    return places, [f"{n} ({s:.0%} of variance)" for n, s in zip(names, shares, strict=True)]


def embeddings_figure(
    features: FeatureTable,
    labels: str | Path | pd.DataFrame,
    colours: Sequence[str] = ("emotion", "subject"),
    *,
    method: Layout = "tsne",
    seed: int = 0,
) -> Figure:
    """Draws the features of clips in a plane, coloured once by each column.

    Args:
        features: What `hicmae.inference.features.read_features` gives.
        labels: Manifest with the labels of the clips: its file or its content.
        colours: Columns to colour by, a panel for each. Columns of many different numbers have a
            scale, others a legend; a clip without a label is grey.
        method: See `project`.
        seed: See `project`.

    Raises:
        DataError: Clips do not match the labels, a column is missing or empty, or there is nothing
            to draw.
        ConfigError: The method does not exist, or its package is not installed.
    """
    manifest = labels if isinstance(labels, pd.DataFrame) else read_manifest(labels)
    for name in colours:
        if name not in manifest:
            raise DataError(
                f"The labels have no column {name}; they have {', '.join(manifest.columns)}."
            )
        if manifest[name].isna().all():
            raise DataError(f"The column {name} of the labels is empty: choose another --colour.")
    clips, joint = clip_features(features)
    table = match_labels(clips["source"].tolist(), manifest)
    places, axis_names = project(joint, method, seed)
    figure = Figure(figsize=(6.4 * len(colours), 4.6), layout="constrained")
    parts = figure.subplots(1, len(colours), squeeze=False)[0]
    for axes, name in zip(parts, colours, strict=True):
        axes.set(xlabel=axis_names[0], ylabel=axis_names[1], xticks=[], yticks=[])
        axes.set_title(f"by {name}", fontsize=11)
        numbers = _quantities(table, name)
        if numbers is None:
            _draw_classes(axes, places, table[name])
        else:
            _draw_numbers(figure, axes, places, numbers, name)
    figure.supxlabel(_note(clips), fontsize=8)
    return figure


def _note(clips: pd.DataFrame) -> str:
    others = int(clips["left_out"].sum())
    windows = int(clips["windows"].sum())
    note = f"{len(clips)} clips, each the mean of its windows ({windows} in all)"
    if others:
        note += f"; {others} further people in view, whom the labels do not tell, are not shown"
    return note + "."


def _quantities(table: pd.DataFrame, name: str) -> npt.NDArray[np.float64] | None:
    """The numbers of a column that holds quantities; None for one of classes."""
    values = pd.to_numeric(table[name], errors="coerce")
    if name in COLUMNS or values.isna().sum() > table[name].isna().sum():
        return None
    return None if values.nunique() <= _MOST_NUMBERED_CLASSES else values.to_numpy(np.float64)


def _draw_classes(axes: Any, places: Floats, column: pd.Series[Any]) -> None:
    names = column.dropna().astype(str)
    classes = sorted(names.unique(), key=lambda name: (not name.isdecimal(), len(name), name))
    if all(not name.isdecimal() for name in classes):
        classes = sorted(classes)
    if len(classes) > _MOST_CLASSES:
        raise DataError(
            f"{column.name} has {len(classes)} values, more than can be told apart in a picture "
            f"({_MOST_CLASSES}): choose another --colour, or embed fewer clips."
        )
    unknown = column.isna().to_numpy()
    if unknown.any():
        axes.scatter(*places[unknown].T, s=16, color="lightgrey", label=f"unknown ({sum(unknown)})")
    for index, name in enumerate(classes):
        chosen = (column.astype(str) == name).to_numpy() & ~unknown
        axes.scatter(
            *places[chosen].T,
            s=20,
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index // len(COLOURS)],
            alpha=0.85,
            linewidths=0,
            label=f"{name} ({chosen.sum()})",
        )
    lines = len(classes) + int(unknown.any())
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        ncols=-(-lines // _LEGEND_LINES),
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
    )


def _draw_numbers(
    figure: Figure, axes: Any, places: Floats, numbers: npt.NDArray[np.float64], name: str
) -> None:
    unknown = np.isnan(numbers)
    axes.scatter(*places[unknown].T, s=16, color="lightgrey")
    drawn = axes.scatter(
        *places[~unknown].T, s=20, c=numbers[~unknown], cmap="viridis", linewidths=0
    )
    label = f"{name} (grey: unknown)" if unknown.any() else name
    figure.colorbar(drawn, ax=axes, label=label)
