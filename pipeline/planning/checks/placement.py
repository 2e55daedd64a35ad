"""What settings say of where a run is made, checked before anything is started."""

from __future__ import annotations

import importlib.util

from pipeline.config import Config
from pipeline.errors import UserError

LIBRARIES = {"tensorboard": "tensorboardX", "wandb": "wandb"}
"""What `tracking` needs, by its value."""

NAMED_ADDRESSES = ("auto", "local")
"""What Ray takes for the address of a cluster without a port."""


def check_placement(config: Config) -> None:
    """
    Raises:
        UserError: an address or a label selector of another form than Ray's, or `tracking` by a
            library that is not installed.
    """
    labels_of(config.label_selector)
    address = config.address
    if address and address not in NAMED_ADDRESSES and ":" not in address:
        raise UserError(
            f"{config.source_of('address')}: address is {address!r}; write HOST:PORT, or auto for "
            "the cluster of this machine"
        )
    if library := LIBRARIES.get(config.tracking):
        require_library(library, config.tracking)


def require_library(module: str, extra: str) -> None:
    """
    Args:
        extra: of this package, that installs it.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise UserError(
            f'tracking: the library {module} is not installed; pip install "muse-batch[{extra}]"'
        )


def labels_of(label_selector: str) -> dict[str, str]:
    """The setting `label_selector`, KEY=VALUE,KEY=VALUE, as Ray's label selector.

    Raises:
        UserError: a part that is not of that form.
    """
    pairs = [part.strip().partition("=") for part in label_selector.split(",") if part.strip()]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise UserError(
                f"label_selector = {label_selector!r}: write KEY=VALUE, as in "
                "ray.io/accelerator-type=A100"
            )
    return {key: value for key, _, value in pairs}
