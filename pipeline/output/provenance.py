"""What is the same for all samples of a run: software, models, settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pipeline.config import Config
from pipeline.output.run_file import RunFile


def provenance(run: RunFile, config: Config) -> dict[str, Any]:
    """The columns that are the same for all samples of a run."""
    return {
        "fingerprint": run.fingerprint,
        "engine": config.engine,
        "models": run.parts["models"],
        "method": config.method.model_dump(),
        "taxonomy": asdict(config.taxonomy),
        "dtype": config.dtype,
        "tiny_vae": config.tiny_vae,
        "compile": config.compile,
        "batch_size": config.batch_size,
        "slots": config.slots,
        "threads": config.threads,
        "min_confidence": config.min_confidence,
        # As text: its keys are the user's, and a struct without fields cannot be stored.
        "label_map": json.dumps(config.label_map, sort_keys=True),
        "versions": run.parts["versions"],
    }
