"""Models from a folder or a model hub, and back to it."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from hicmae.checkpoints.models import load_recognition_model
from hicmae.errors import CheckpointError, HicmaeError
from hicmae.models import RecognitionModel
from hicmae.weights.description import CONFIG, ModelDescription, TrainingFacts
from hicmae.weights.reading import WEIGHTS

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_FILE_SUFFIXES = {".ckpt", ".pth", ".pt", ".bin", ".safetensors"}


class HubModel(ABC):
    """A model that comes from a file, a folder or a model hub, and goes back there.

    Subclasses are built as `cls(model, description, **options)` and keep the first two.

    The hub is the Hugging Face Hub, or what the environment variable HF_ENDPOINT names. Of a
    repository there only `config.json` and `model.safetensors` are fetched: nothing of it is
    unpickled and no code of it runs.

    Attributes:
        model: The model, in evaluation mode.
        description: What it is.
    """

    model: RecognitionModel
    description: ModelDescription

    @abstractmethod
    def __init__(
        self, model: RecognitionModel, description: ModelDescription, **options: Any
    ) -> None: ...

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        **options: Any,
    ) -> Self:
        """Loads a model.

        Args:
            path_or_hub_id: A Lightning checkpoint of this project, a folder with `config.json` and
                `model.safetensors`, or the id of such a folder on the hub, as "user/name". What
                exists as a path is never looked for on the hub.
            revision: Branch, tag or commit on the hub.
            token: Access token of the hub, or whether the one of `hf auth login` is sent.
            cache_dir: Where downloads are kept.
            local_files_only: Whether to use what was downloaded before, without the network.
            force_download: Whether to fetch again what was downloaded before.
            **options: Options of the constructor.

        Raises:
            CheckpointError: There is no such model, it cannot be fetched, or it is broken.
        """
        path = Path(path_or_hub_id)
        if not path.exists():
            if not _is_hub_id(str(path_or_hub_id)):
                raise CheckpointError(
                    f"There is no file or folder {path_or_hub_id}: give the path of a checkpoint "
                    "or of a shared model, or an id on the hub as user/name."
                )
            fetched = [
                _fetch(
                    str(path_or_hub_id),
                    name,
                    revision=revision,
                    token=token,
                    cache_dir=cache_dir,
                    local_files_only=local_files_only,
                    force_download=force_download,
                )
                for name in (CONFIG, WEIGHTS)
            ]
            path = fetched[0].parent
        model, description = load_recognition_model(path)
        return cls(model, description, **options)

    def save_pretrained(self, folder: str | Path, *, license: str | None = None) -> None:
        """Writes `model.safetensors`, `config.json` and the card `README.md`.

        Those of a model that lies there are replaced, other files stay. Of a model that was only
        pre-trained the encoders are written: it has no head, and its decoders were not loaded.

        Args:
            folder: Where to; it is made.
            license: Of the weights, as the hub names licences, such as "cc-by-nc-4.0"; None keeps
                what the description says.

        Raises:
            CheckpointError: The path is a file.
        """
        from hicmae.checkpoints.sharing import write_folder  # noqa: PLC0415 (knows the corpora)

        description = self.description
        if license is not None:
            facts: TrainingFacts = {**description.training, "license": license}
            description = replace(description, training=facts)
        weights = self.model.state_dict()
        if description.kind == "pretraining":
            weights = {name: t for name, t in weights.items() if "_encoder." in name}
        write_folder(Path(folder), description, weights, overwrite=True)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        commit_message: str = "Upload a HiCMAE model",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str:
        """Puts the files of `save_pretrained` on the hub, in one commit.

        Args:
            repo_id: Where to, as "user/name"; the repository is made if there is none.
            license: As for `save_pretrained`.
            commit_message: First line of the commit.
            private: Whether a new repository is private; None leaves it to the owner's settings.
            token: Access token with the right to write; None takes that of `hf auth login`.
            branch: Branch to commit to; None for the main one.
            create_pr: Whether to open a pull request instead.

        Returns:
            Address of the commit.

        Raises:
            CheckpointError: The hub does not take it or is not reached.
        """
        from huggingface_hub import HfApi  # noqa: PLC0415 (takes time, for the hub alone)

        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, license=license)
            with _hub_errors(repo_id):
                # The endpoint is read here, since the client keeps the one of its import.
                hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
                repo_id = hub.create_repo(repo_id, private=private, exist_ok=True).repo_id
                return str(
                    hub.upload_folder(
                        repo_id=repo_id,
                        folder_path=folder,
                        commit_message=commit_message,
                        revision=branch,
                        create_pr=create_pr,
                    )
                )


def _is_hub_id(name: str) -> bool:
    """Whether a text that is no path can be meant for the hub."""
    return bool(_HUB_ID.fullmatch(name)) and Path(name).suffix not in _FILE_SUFFIXES


def _fetch(repo_id: str, name: str, **options: Any) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 (as above)

    with _hub_errors(repo_id):
        endpoint = os.environ.get("HF_ENDPOINT")
        return Path(hf_hub_download(repo_id, name, endpoint=endpoint, **options))


@contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    """Tells in one sentence what went wrong between us and the hub."""
    from huggingface_hub.errors import (  # noqa: PLC0415 (as above)
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except HicmaeError:
        raise
    except GatedRepoError as error:
        raise CheckpointError(
            f"{repo_id} is only for people whom its owner lets in: ask on its page for access and "
            "log in with `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"There is neither a file or folder {repo_id} nor a model of that name on the hub, or "
            "it is private: check the name, or log in with `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(
            f"{repo_id} has no such revision on the hub: name a branch, tag or commit of it."
        ) from error
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"There is no file or folder {repo_id}, no earlier download of it, and the hub was not "
            "asked or did not answer: check the path, the network, and local_files_only."
        ) from error
    except EntryNotFoundError as error:
        raise CheckpointError(
            f"{repo_id} lacks {CONFIG} or {WEIGHTS} on the hub; weights in other formats are not "
            "fetched: ask its owner for a model that `hicmae convert` wrote."
        ) from error
    except OfflineModeIsEnabled as error:
        raise CheckpointError(
            f"There is no file or folder {repo_id}, and HF_HUB_OFFLINE forbids asking the hub."
        ) from error
    except Exception as error:  # the hub's client lets those of several libraries through
        said = str(error).strip().splitlines() or [type(error).__name__]
        status = getattr(getattr(error, "response", None), "status_code", None)
        way_out = (
            "log in with `hf auth login` or give a token with the right to write"
            if isinstance(error, HfHubHTTPError) and status in {401, 403}
            else "check the name and the network, and try again"
        )
        raise CheckpointError(
            f"The exchange with the hub about {repo_id} failed ({said[0]}): {way_out}."
        ) from error
