"""All that a run warns of by the rows of its manifest, in one list."""

from dataclasses import replace

from PIL import Image

from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.row_warnings import RowWarnings


def test_prompts_settings_sizes_and_sources_are_warned_of(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "photo.png")
    row = Row(0, "a zebra", None, ({"awe": 1.0},), None, None, None, size=(4096, 4096))
    rows = RowWarnings(Config(emotions=("fear",)), str(tmp_path))
    rows.add(row)
    rows.add(replace(row, number=1, image="photo.png", size=None))
    prompts, emotions, size, source = rows.listed()
    assert prompts.startswith("2 row(s) have prompts with unknown words")
    assert emotions.startswith("emotions: no effect")
    assert "up to 4096 x 4096" in size
    assert source.startswith("1 of the first 1 source image(s)")


def test_sizes_are_counted_anew_once_those_of_the_model_are_known(tmp_path, monkeypatch):
    row = Row(0, "a dog", None, ({"awe": 1.0},), None, None, None, size=(4096, 4096))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    rows = RowWarnings(Config(model="owner/name"), str(tmp_path))
    assert not rows.knows_sizes
    rows.add(row)
    assert rows.listed() == []
