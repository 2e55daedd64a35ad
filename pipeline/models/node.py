"""A model as a node of the cluster has it. Weights never travel through Ray."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from pathlib import Path

from pipeline.config_models import EMBEDDED
from pipeline.errors import UserError
from pipeline.models.hashing import hash_model
from pipeline.models.locate import Model
from pipeline.models.roles import local_path


def refuse_other_models(models: Mapping[str, Model]) -> None:
    """Hash the models at their paths on this node.

    `on_this_node` compares the others.

    Raises:
        UserError: one has other content than the driver's.
    """
    for role, model in models.items():
        path = Path(model.path)
        # The null engine has no model.
        if not model.sha256 or not path.exists():
            continue
        if hash_model(path, role) != model.sha256:
            raise _is_another(role, model, path)


def on_this_node(role: str, model: Model) -> Model:
    """The model with its path on this node: the driver's path if it exists here, else the node's
    own copy of the embedded or hub model.

    A hub model is fetched once for each node, however many workers the node has.

    Raises:
        UserError: the model is missing here, or its content differs from the driver's.
    """
    try:
        if model.name != EMBEDDED and Path(model.path).exists():
            path = Path(model.path)
        else:
            path = local_path(role, model.name)
        is_other_path = str(path) != model.path
        differs = is_other_path and hash_model(path, role) != model.sha256
    except ValueError as error:
        raise UserError(f"{role} {model.name!r}: {error}") from None
    if differs:
        raise _is_another(role, model, path)
    return dataclasses.replace(model, path=str(path))


def _is_another(role: str, model: Model, path: Path) -> UserError:
    return UserError(
        f"{role} {model.name!r}: {path} on this node ({socket.gethostname()}) is another model "
        "than the driver's; update it"
    )
