"""What the commands share: Hydra around a task, and errors as one line."""

import difflib
import errno
import io
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

import stylenet
from stylenet.cli.arguments import explain_unreadable, for_hydra
from stylenet.cli.completion import OPTIONS, check_completion, offer_accepted
from stylenet.contention import watch
from stylenet.errors import StyleNetError

# Words of a command line that Hydra would take for the choice of a group, and the options that they
# stand for, by command.
_SHORT = {"infer": {"style": "style_name"}, "export": {"style": "style_name"}}

# A full disk, no permission, a file system that cannot be written: the user's to mend.
_USERS_OS_ERRORS = {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EFBIG}


def config_folder() -> Path:
    """Finds the configs of this installation.

    Returns:
        The folder inside the package of an installed wheel, or beside it in a clone.
    """
    return _pretrained("configs", in_clone="configs")


def style_image_path(name: str) -> str:
    """Finds a style image that comes with StyleNet; ``${image:starry.jpg}`` in a config.

    Args:
        name: Of the file in data/styles/.

    Returns:
        Its path, in an installed wheel as in a clone.
    """
    return str(_pretrained("styles", in_clone="data/styles") / name)


def _pretrained(folder: str, in_clone: str) -> Path:
    """A folder inside the package of an installed wheel, or beside the package in a clone."""
    package = Path(stylenet.__file__).parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / in_clone


def join_names(names: Sequence[str] | None) -> str:
    """Join the names of several styles; ``${joint_name:${styles}}`` in a config.

    Args:
        names: Names of styles; ``None`` if they are missing, which is an error later.
    """
    from stylenet.networks import join_style_names  # PyTorch takes seconds to import

    return join_style_names(names or ["styles"])


def adain_layer(encoder: str) -> str:
    """Chooses where a network for any style works; ``${adain_layer:lite}`` in a config.

    Args:
        encoder: The architecture of its encoder.

    Returns:
        The layer of the paper; with the small encoder, whose relu4_1 leaves much out, one before.
    """
    return "relu3_4" if encoder == "lite" else "relu4_1"


def choices(_root_: DictConfig) -> str:
    """Lists what a command can be told by GROUP=CHOICE; ``${choices:}`` in its help.

    Args:
        _root_: The options that the help is about.

    Returns:
        A line for each group of its own that has more than one choice.
    """
    loader = GlobalHydra.instance().config_loader()
    own = sorted(group for group in _root_.hydra.runtime.choices if not group.startswith("hydra/"))
    options = {group: loader.get_group_options(group) for group in own}
    return "\n".join(f"{group}: {', '.join(of)}" for group, of in options.items() if len(of) > 1)


OmegaConf.register_new_resolver("choices", choices, replace=True)
OmegaConf.register_new_resolver("adain_layer", adain_layer, replace=True)
OmegaConf.register_new_resolver("image", style_image_path, replace=True)
OmegaConf.register_new_resolver("joint_name", join_names, replace=True)


def run(task: Callable[[DictConfig], None], config_name: str) -> None:
    """Runs a command: composes its options from the command line and hands them to the task.

    A user's mistake ends the program with one line on stderr and exit status 2.

    Args:
        task: The body of the command.
        config_name: Name of its file in configs/.
    """
    short = _SHORT.get(config_name, {})
    # Lets errors through to here, where they become one line, instead of Hydra's own report.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # Python shows warnings with their source line; ours and Lightning's are for the user.
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=config_name)
    def entry(config: DictConfig) -> None:
        # Within the job too: Hydra prints remarks of its own about errors that leave it.
        with _errors_as_one_line(config_name, short):
            watch()
            task(config)

    with _errors_as_one_line(config_name, short):
        if "--version" in sys.argv[1:]:
            print(f"StyleNet {stylenet.__version__}")
            return
        sys.argv[1:] = for_hydra(sys.argv[1:], short)
        if set(OPTIONS) & set(sys.argv):
            check_completion(sys.argv[1:])
            offer_accepted(short)
        try:
            entry()
        finally:
            sys.stdout.flush()  # here, where an error is looked at


def fail(message: str) -> NoReturn:
    """Ends the program over a user's mistake.

    Args:
        message: What was got, what was expected, what to do next.
    """
    # Of several processes all meet the same mistake: by the number one sees that it is the same.
    variables = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    rank = next((os.environ[name] for name in variables if name in os.environ), "0")
    where = "" if rank == "0" else f" (process {rank})"
    print(f"error{where}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def build(config: DictConfig, **more: Any) -> Any:
    """Builds the object that a part of the options describes.

    Args:
        config: With a ``_target_``.
        **more: Further arguments, as they are.

    Returns:
        The object. Lists and dicts reach its constructor as plain Python ones.

    Raises:
        StyleNetError: A value is impossible, or the constructor takes no such argument.
    """
    try:
        return hydra.utils.instantiate(config, _convert_="all", **more)
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, StyleNetError):
            raise cause from error
        if isinstance(cause, TypeError) and "unexpected keyword argument" in str(cause):
            raise StyleNetError(f"{config._get_full_key(None)}: {cause}") from error
        raise


@contextmanager
def _errors_as_one_line(config_name: str, short: Mapping[str, str]) -> Iterator[None]:
    """Ends the program in one line over what a user can mend; lets the rest through."""
    try:
        yield
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            sys.exit(1)
        message = _explain(error, config_name, short)
        if message is None:
            raise
        fail(message)


def _nobody_reads() -> bool:
    """Whether what is printed goes to a program that has ended, as in ``… | head -n 1``.

    If so it goes nowhere from now on, for Python would complain once more at the end.
    """
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _explain(error: BaseException, config_name: str, short: Mapping[str, str]) -> str | None:
    """The one line for an error that a user can mend, else nothing."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for link in chain:
        if isinstance(link, StyleNetError):
            return str(link)
        if isinstance(link, OverrideParseException):
            return explain_unreadable(link.override)
        if isinstance(link, MissingConfigException):
            return _missing_choice(link)
        if isinstance(link, MissingMandatoryValue):
            return f"{link.full_key} is missing; give it as {link.full_key}=VALUE (see --help)"
        if isinstance(link, ConfigKeyError | ConfigAttributeError):
            return _unknown_key(str(link.full_key), config_name, short)
        if isinstance(link, OSError) and link.errno in _USERS_OS_ERRORS:
            return f"{link.filename or 'writing'}: {link.strerror}"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return f"{error} (see --help)"
    return None


def _missing_choice(error: MissingConfigException) -> str:
    """Says which choices there are, and how a style is made of an image."""
    from stylenet.image import SUFFIXES

    message = " ".join(str(error).split("Config search path")[0].split())
    group, _, name = (error.missing_cfg_file or "").partition("/")
    if group == "style" and Path(name).suffix.lower() in SUFFIXES:
        message += f"; an image: style=custom style.name={Path(name).stem} style.image={name}"
    return message


def _unknown_key(key: str, config_name: str, short: Mapping[str, str]) -> str:
    """Says which keys there are where an unknown one was given."""
    parent, _, name = key.rpartition(".")
    GlobalHydra.instance().clear()
    choices = [o for o in sys.argv[1:] if "." not in o.split("=")[0] and not o.startswith("-")]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
        try:
            config = hydra.compose(config_name, overrides=choices)
        except Exception:  # one of the choices is the mistake itself
            config = hydra.compose(config_name)
    node = OmegaConf.select(config, parent) if parent else config
    valid = [str(k) for k in node if not str(k).startswith("_")] if node is not None else []
    typed = {option: word for word, option in short.items()}
    valid = [typed.get(name, name) for name in valid]
    near = difflib.get_close_matches(name, valid, 1)
    hint = f", did you mean {parent + '.' if parent else ''}{near[0]}" if near else ""
    of = f" of {parent}" if parent else ""
    return f"unknown option {key}{hint}; the options{of} are {', '.join(valid)}"
