"""The published results of HiCMAE, and of others in its place, to be shown beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

AUDIO_VIDEO = "audio + video"


@dataclass(frozen=True)
class PublishedResult:
    """One published row.

    Attributes:
        model: HiCMAE-T, HiCMAE-S or HiCMAE-B; another where those were not tested as they are here.
        modality: "audio + video", "audio" or "video".
        scores: Metrics in percent, under the names that a test of ours logs.
        source: Where the numbers were read, in words.
        fold: Fold that the numbers are of; None for all folds together.
    """

    model: str
    modality: str
    scores: dict[str, float]
    source: str
    fold: int | None = None

    @property
    def of_hicmae(self) -> bool:
        """Whether it is of one of the published sizes of HiCMAE."""
        return self.model in {"HiCMAE-T", "HiCMAE-S", "HiCMAE-B"}


@dataclass(frozen=True)
class PublishedCorpus:
    """What is published for one config of `configs/finetune`.

    Attributes:
        name: Name of the config.
        corpus: What was tested.
        data_class: Name of its data module.
        data_options: Options of the data module that tell this test from others of the corpus.
        metrics: What the corpus is usually judged by.
        selection: What is known about how the tested checkpoints were chosen.
        results: All published rows.
    """

    name: str
    corpus: str
    data_class: str
    data_options: dict[str, Any]
    metrics: tuple[str, ...]
    selection: str
    results: tuple[PublishedResult, ...]

    def rows(self, model: str, modality: str) -> list[PublishedResult]:
        """The published rows of a model and of others that stand in for it, totals first."""
        rows = [
            row
            for row in self.results
            if row.modality == modality and (row.model == model or not row.of_hicmae)
        ]
        return sorted(rows, key=lambda row: row.fold or 0)


@cache
def published_corpora() -> dict[str, PublishedCorpus]:
    """Everything that is published, by name of the config."""
    content = yaml.safe_load(
        files("hicmae.evaluation").joinpath("published.yaml").read_text(encoding="utf-8")
    )
    return {
        name: PublishedCorpus(
            name=name,
            corpus=entry["corpus"],
            data_class=entry["data"]["class"],
            data_options=entry["data"]["options"],
            metrics=tuple(entry["metrics"]),
            selection=entry["selection"],
            results=tuple(PublishedResult(**row) for row in entry["results"]),
        )
        for name, entry in content.items()
    }


def published_corpus(data: dict[str, Any]) -> PublishedCorpus | None:
    """What is published for the test that the data of a run stand for.

    It is found by the data module and its options, not by the name of a config, so that a changed
    option never sets a number beside one of another test.

    Args:
        data: Section `data` of a run's config. An option that it lacks is one that came later,
            and has the value of the published tests.

    Returns:
        The published results; None where the test is none of the published ones.
    """
    name = str(data["class_path"]).rsplit(".", 1)[-1]
    options = data.get("init_args") or {}
    for corpus in published_corpora().values():
        wanted = corpus.data_options.items()
        if corpus.data_class == name and all(
            options.get(key, value) == value for key, value in wanted
        ):
            return corpus
    return None
