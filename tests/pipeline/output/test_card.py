"""The data card says what was made, by what, and stays Markdown whatever names hold."""

import pytest
import yaml

from pipeline.output.card import cell
from tests.support.local_runs import run_locally, write_rows


@pytest.fixture
def card(tmp_path, quick_storage) -> str:
    run_locally(write_rows(tmp_path / "m.parquet", 12), tmp_path / "out")
    return (tmp_path / "out" / "README.md").read_text()


def test_its_header_names_the_files_and_their_types(card):
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["configs"][0]["data_files"] == "shards/*.tar"
    assert header["dataset_info"]["features"]
    assert "synthetic" in header["tags"]


def test_it_counts_requests_and_says_that_a_dry_run_shows_nothing(card):
    assert "| 12 | " in card
    assert "| awe | 12 | " in card
    assert "they show nothing" in card


@pytest.mark.parametrize("text", ["a|b", "<script>", "`rm`", "[x](y)", "a\nb", "\u202eevil"])
def test_a_cell_holds_no_markup(text):
    assert not set(cell(text)) & set("|`<>[]\n\u202e")
    assert len(cell(text)) == len(text)
