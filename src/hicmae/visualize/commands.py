"""The commands `hicmae visualize ...`: pictures of models and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae.choices import Layout
from hicmae.command_line import Group, Repeated
from hicmae.consoles import plain_console
from hicmae.visualize.style import check_output, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCRIPTION = """\
Draws pictures; --output says where, as .png, .pdf or .svg.

  hicmae visualize reconstruction CLIPS/ --checkpoint PRETRAIN/checkpoints/last.ckpt
  hicmae visualize embeddings features.npz --labels manifest.csv --colour emotion --colour subject
  hicmae visualize layer-weights FINETUNE/checkpoints/best.ckpt OTHER/checkpoints/best.ckpt
  hicmae visualize confusion FINETUNE
  hicmae visualize curves FINETUNE OTHER --metrics loss --metrics UAR

PRETRAIN, FINETUNE and OTHER are run folders, such as runs/version_0. What each picture shows, and
its options: hicmae visualize PICTURE --help.
"""


def reconstruction(
    sources: list[str] | list[Path],
    *,
    checkpoint: str | Path,
    clips: int = 3,
    frames: int = 4,
    seed: int = 0,
    video_mask_ratio: float | None = None,
    audio_mask_ratio: float | None = None,
    output: str | Path = "reconstruction.png",
) -> Path:
    """Draws clips under a mask.

    They are shown as they are, as the model sees them under its mask, and as it reconstructs them:
    frames at the left, the spectrogram at the right. Differences between frames are turned into
    frames again, and each reconstructed patch gets the mean and deviation of the original, which
    are not predicted. SOURCE are media files, one folder of them, or one manifest.

      hicmae visualize reconstruction clip.mp4 --checkpoint PRETRAIN/checkpoints/last.ckpt
      hicmae visualize reconstruction clips.csv --checkpoint PRETRAINED.ckpt --clips 4

    Args:
        sources: Files or a folder.
        checkpoint: Checkpoint of pre-training.
        clips: Clips shown at most, drawn by lot.
        frames: Frames shown of each clip.
        seed: Draws clips and masks.
        video_mask_ratio: Masked share of frames; else as in training.
        audio_mask_ratio: Masked share of sound; else as in training.
        output: Picture: .png, .pdf or .svg.

    Returns:
        Where the picture is.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    with _picture(output) as save:
        from hicmae.visualize.reconstruction import reconstruct  # noqa: PLC0415 (decoders, models)

        return save(
            reconstruct(
                checkpoint,
                sources,
                clips=clips,
                frames=frames,
                seed=seed,
                video_mask_ratio=video_mask_ratio,
                audio_mask_ratio=audio_mask_ratio,
            )
        )


def embeddings(
    features: str | Path,
    *,
    labels: str | Path,
    colour: Repeated = None,
    method: Layout = "tsne",
    seed: int = 0,
    output: str | Path = "embeddings.png",
) -> Path:
    """Draws features by emotion, speaker or any other column of the labels.

    They are laid out in a plane, a panel for each column. FEATURES is what `hicmae embed` wrote.
    Labels are found by the path, the file name or the id of a clip.

      hicmae embed CLIPS/ --checkpoint FINETUNE/checkpoints/best.ckpt --output features.npz
      hicmae visualize embeddings features.npz --labels clips.csv --colour emotion --colour subject

    Args:
        features: File of features: .safetensors, .npz or .parquet.
        labels: Manifest with the labels.
        colour: Column to colour by; may be given several times (default: emotion, subject).
        method: Of layout.
        seed: Of tsne and umap.
        output: Picture: .png, .pdf or .svg.

    Returns:
        Where the picture is.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    with _picture(output) as save:
        from hicmae.inference.features import read_features  # noqa: PLC0415
        from hicmae.visualize.embeddings import embeddings_figure  # noqa: PLC0415

        columns = colour or ("emotion", "subject")
        return save(
            embeddings_figure(read_features(features), labels, columns, method=method, seed=seed)
        )


def layer_weights(
    checkpoints: list[str] | list[Path], *, output: str | Path = "layer-weights.png"
) -> Path:
    """Draws how much every encoder layer counts in the feature of a fine-tuned model.

    Layers are bars, several models stand side by side.

      hicmae visualize layer-weights FINETUNE/checkpoints/best.ckpt

    Args:
        checkpoints: Checkpoints of fine-tuning.
        output: Picture: .png, .pdf or .svg.

    Returns:
        Where the picture is.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    with _picture(output) as save:
        from hicmae.visualize.layer_weights import layer_weights_figure  # noqa: PLC0415

        return save(layer_weights_figure(checkpoints))


def confusion(run: str | Path, *, output: str | Path = "confusion.png") -> Path:
    """Draws what a tested classifier took for what.

    There is a row for every true class, shaded by its share, with UAR (mean recall of the classes)
    and WAR (accuracy) above. RUN is a run folder, the folder of a `hicmae crossval` (all folds
    together) or a table of predictions.

      hicmae visualize confusion FINETUNE

    Args:
        run: Run folder or table of predictions.
        output: Picture: .png, .pdf or .svg.

    Returns:
        Where the picture is.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    with _picture(output) as save:
        from hicmae.visualize.confusion import confusion_matrix_figure  # noqa: PLC0415

        return save(confusion_matrix_figure(run))


def curves(
    runs: list[str] | list[Path],
    *,
    metrics: Repeated = None,
    output: str | Path = "curves.png",
) -> Path:
    """Draws losses and metrics over the epochs, a panel for each, runs over each other.

    --metrics chooses, and may be given several times: `loss` is that of training and validation,
    `val/loss` one of them.

      hicmae visualize curves FINETUNE OTHER --metrics loss --metrics UAR

    Args:
        runs: Run folders.
        metrics: What to draw; may be given several times.
        output: Picture: .png, .pdf or .svg.

    Returns:
        Where the picture is.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    with _picture(output) as save:
        from hicmae.visualize.curves import curves_figure  # noqa: PLC0415

        return save(curves_figure(runs, metrics))


@contextmanager
def _picture(output: str | Path) -> Iterator[Callable[[Figure], Path]]:
    """Gives the function that writes a picture, and says in the end where it is."""
    check_output(output)
    console = plain_console()
    with console.status("Drawing ..."):
        yield lambda figure: save_figure(figure, output)
    console.print(f"Wrote {output}.", soft_wrap=True)


visualize = Group(
    DESCRIPTION,
    {
        "reconstruction": reconstruction,
        "embeddings": embeddings,
        "layer-weights": layer_weights,
        "confusion": confusion,
        "curves": curves,
    },
    metavar="PICTURE",
)
