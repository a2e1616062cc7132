"""The checkpoint that a run resumes from."""

import sys
from pathlib import Path

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.training import RunFolder
from stylenet.training.callbacks import SafeCheckpointIO


def check_resume(folder: RunFolder, resume: bool | str) -> None:
    """Check that ``resume`` overwrites no run and names a readable checkpoint.

    Args:
        folder: Paths of the run.
        resume: Option ``resume``.

    Raises:
        StyleNetError: ``resume`` is ``False`` and the folder holds a run; or it is a path where no
            readable checkpoint is.
    """
    saved = folder.saved_checkpoints()
    if resume is False and saved:
        raise StyleNetError(
            f"run_dir={folder.path} holds a run up to {saved[-1].stem}; go on with "
            f"resume=true, or choose another run_dir, or delete that folder"
        )
    named = named_checkpoint(resume)
    # The checkpoint that the saved ones derive from may have been deleted since.
    if named is not None and not (saved and named.resolve() == folder.origin()):
        if not named.is_file():
            raise StyleNetError(
                f"resume={resume}: no such file; give true, false or the path of a .ckpt file"
            )
        SafeCheckpointIO().load_checkpoint(named)


def named_checkpoint(resume: bool | str) -> Path | None:
    """Return the checkpoint that ``resume`` names; ``None`` for ``True`` and ``False``."""
    return None if isinstance(resume, bool) else user_path(resume)


def choose_checkpoint(folder: RunFolder, resume: bool | str, prints: bool) -> Path | None:
    """Choose the checkpoint to resume from; skip unreadable ones for older ones.

    Args:
        folder: Paths of the run, which is locked, so that nothing changes meanwhile.
        resume: Option ``resume``.
        prints: Whether this rank prints a warning about unreadable checkpoints.

    Returns:
        The path; ``None`` to start a new run.

    Raises:
        StyleNetError: See :func:`check_resume`; or no checkpoint of the run is readable.
    """
    check_resume(folder, resume)  # again, for what another job did meanwhile
    if resume is False:
        return None
    named, origin = named_checkpoint(resume), folder.origin()
    # A scheduler repeats the command: then training resumes from what derives from the named one.
    if named is not None and named.resolve() != origin:
        return named
    candidates = folder.saved_checkpoints()[::-1]
    if origin is not None and (not candidates or origin.is_file()):
        candidates.append(named or origin)
    unreadable: StyleNetError | None = None
    for path in candidates:
        try:
            SafeCheckpointIO().load_checkpoint(path)
        except StyleNetError as error:
            unreadable = unreadable or error
            continue
        if unreadable and prints:
            print(f"warning: {unreadable}: going on from {path.name}", file=sys.stderr)
        return path
    if unreadable:
        raise unreadable
    return None
