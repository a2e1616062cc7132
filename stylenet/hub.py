"""Checkpoints on the Hugging Face Hub, by the extra ``hub``."""

from pathlib import Path
from types import ModuleType

import stylenet
from stylenet.errors import StyleNetError, first_line

# Addresses of repositories begin with it where paths of checkpoints are expected.
SCHEME = "hf://"
# The checkpoint's name in a repository, by the Hub's convention.
CHECKPOINT = "model.safetensors"


def download_checkpoint(repository: str, revision: str | None = None) -> Path:
    """Return the checkpoint of a repository; it is downloaded once.

    Access to private repositories is that of ``hf auth login`` or of the environment variable
    ``HF_TOKEN``.

    Args:
        repository: ``user/style``, with or without ``hf://`` and ``@revision``.
        revision: A branch, tag or commit; default: the newest.

    Returns:
        The file in the cache of huggingface_hub.

    Raises:
        StyleNetError: huggingface_hub is missing, there is no such repository, it holds no
            checkpoint, or the Hub cannot be reached and the file is not in the cache.
    """
    name, _, named_revision = repository.removeprefix(SCHEME).partition("@")
    revision = revision or named_revision or None
    hub = _import_hub()
    errors = hub.errors
    try:
        path = hub.hf_hub_download(
            name,
            CHECKPOINT,
            revision=revision,
            library_name="stylenet",
            library_version=stylenet.__version__,
        )
    except errors.HFValidationError as error:
        raise StyleNetError(
            f"{SCHEME}{name} is not a repository of the Hub. Write {SCHEME}user/style."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise StyleNetError(
            f"{SCHEME}{name} has no revision {revision}. Leave it out for the newest."
        ) from error
    except (errors.RepositoryNotFoundError, errors.GatedRepoError) as error:
        raise StyleNetError(
            f"{SCHEME}{name} does not exist, or you have no access. Check the name; for a private "
            f"repository: hf auth login"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise StyleNetError(
            f"The Hub cannot be reached, and {SCHEME}{name} was not downloaded before. Connect to "
            f"the internet once, or copy its {CHECKPOINT} here: checkpoint=PATH"
        ) from error
    except errors.EntryNotFoundError as error:
        raise StyleNetError(
            f"{SCHEME}{name} holds no {CHECKPOINT}, so stylenet push did not write it. Download a "
            f".safetensors file of it by hand: checkpoint=PATH"
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise StyleNetError(
            f"{SCHEME}{name} cannot be downloaded ({first_line(error)}). Try again later."
        ) from error
    return Path(path)


def upload_folder(folder: Path, repository: str, private: bool, message: str) -> str:
    """Upload the files of a folder as one commit; the repository is created if it is new.

    Args:
        folder: The files.
        repository: ``user/style``, with or without ``hf://``.
        private: Whether a new repository is private.
        message: Subject of the commit.

    Returns:
        The address of the repository.

    Raises:
        StyleNetError: huggingface_hub is missing, you may not write there, or the Hub cannot be
            reached.
    """
    name = repository.removeprefix(SCHEME)
    hub = _import_hub()
    api = hub.HfApi(library_name="stylenet", library_version=stylenet.__version__)
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
    except hub.errors.HFValidationError as error:
        raise StyleNetError(
            f"repository={name} is not a name of the Hub. Write repository=user/style."
        ) from error
    except hub.errors.HfHubHTTPError as error:
        raise StyleNetError(
            f"repository={name} cannot be written ({first_line(error)}). Log in with a token that "
            f"may write: hf auth login"
        ) from error
    # Errors of the connection have a type of the HTTP library of huggingface_hub, which changes.
    except Exception as error:
        raise StyleNetError(
            f"The Hub cannot be reached ({first_line(error)}), and the upload is incomplete. Run "
            f"the command again, or write the files to a folder: output=PATH"
        ) from error
    return str(address)


def _import_hub() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise StyleNetError(
            "The Hub needs the package huggingface_hub. Install it: pip install 'stylenet[hub]'"
        ) from error
    return huggingface_hub
