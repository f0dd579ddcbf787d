"""Where a run is: the counters in Lightning's loops, as this project reads and sets them.

Lightning keeps them in attributes and checkpoint entries that its documentation does not promise.
`tests/test_loops.py` tells in which version they were seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever has a trainer has imported it
    from lightning.pytorch import Trainer


def batches_begun(trainer: Trainer) -> int:
    """Training batches that the run began before the present one, over all epochs."""
    return trainer.fit_loop.epoch_loop.total_batch_idx


def batch_to_come(trainer: Trainer) -> int:
    """Place within its epoch, from 0, of the training batch that is on its way to the device."""
    return trainer.fit_loop.batch_idx + 1


def resumed_place(trainer: Trainer) -> tuple[int, int]:
    """The epoch in which a run begins or goes on, and the batches of it that are done."""
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    if epochs.started == epochs.processed:  # the batches are those of the epoch before
        return epochs.processed, 0
    return epochs.processed, batches.processed


def log_at_optimiser_steps(trainer: Trainer) -> None:
    """Lets logs go on at the step of the optimiser.

    After a checkpoint from the start of an epoch or from a validation, Lightning misses it by one.
    """
    trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step


def set_place(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Changes the counters of a checkpoint so that a run goes on exactly where it has to.

    - From within an accumulated batch it goes back to the last optimiser step, as the gradients are
      not in the checkpoint.
    - From between the last batch of an epoch and the end of its validation it goes on with that
      validation, in full.

    Args:
        trainer: The trainer that is to go on.
        checkpoint: What Lightning has read and not yet used.
    """
    loops = checkpoint["loops"]["fit_loop"]
    epochs = loops["epoch_progress"]
    batches = loops["epoch_loop.batch_progress"]
    validation = loops["epoch_loop.val_loop.batch_progress"]
    if epochs["current"]["started"] == epochs["current"]["processed"]:
        if trainer.max_steps != -1:
            # Limited by steps, Lightning takes every checkpoint for one from within an epoch.
            for progress in epochs["current"], epochs["total"]:
                progress["processed"] = progress["completed"] = progress["started"] - 1
        return
    processed = batches["current"]["processed"]
    ended = batches["current"]["completed"] == processed
    undone = processed % trainer.accumulate_grad_batches
    if undone and not batches["is_last_batch"]:
        _finish(batches, undone)
        return
    begun = validation["current"]
    to_validate = begun["ready"] > 0 and not (
        validation["is_last_batch"] and begun["completed"] == begun["ready"]
    )
    if batches["is_last_batch"] and not ended:
        _finish(batches, 0)
        to_validate = _validates(trainer, epochs["current"]["completed"])
        if not to_validate:
            loops["epoch_loop.state_dict"]["_batches_that_stepped"] += 1
    if to_validate:
        # As Lightning marks a validation that was begun; it would go on within it, without what the
        # batches before had added to the metrics.
        nothing = dict.fromkeys(begun, 0)
        validation["current"] = nothing
        validation["total"] = nothing | {"ready": 1, "started": 1}
        validation["is_last_batch"] = False


def _finish(batches: dict[str, Any], undone: int) -> None:
    """Marks all batches but the last `undone` as done."""
    for progress in batches["current"], batches["total"]:
        done = progress["processed"] - undone
        progress.update(ready=done, started=done, processed=done, completed=done)


def _validates(trainer: Trainer, epoch: int) -> bool:
    every = trainer.check_val_every_n_epoch
    return trainer.enable_validation and (every is None or (epoch + 1) % every == 0)
