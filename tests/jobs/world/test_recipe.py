"""Checkpoints belong to one recipe."""

import os
from dataclasses import replace

import pytest
import typer

from jobs.world.recipe import Recipe, keep_recipe


def test_checkpoints_of_another_recipe_are_refused(tmp_path):
    keep_recipe(Recipe(), tmp_path, 0.35)
    keep_recipe(Recipe(), tmp_path, 0.35)
    with pytest.raises(typer.BadParameter, match="checkpoints of another recipe; remove it"):
        keep_recipe(replace(Recipe(), seed=1), tmp_path, 0.35)


def test_a_kept_recipe_is_not_written_again(tmp_path):
    """Another stage may be reading it."""
    keep_recipe(Recipe(), tmp_path, 0.35)
    file = tmp_path / "recipe.json"
    file.chmod(0o444)
    before = file.stat()
    keep_recipe(Recipe(), tmp_path, 0.35)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("is_same", [True, False])
def test_the_first_of_two_stages_that_start_at_once_decides_the_recipe(
    tmp_path, monkeypatch, is_same
):
    """The other one appears between the look for the file and the writing of it."""
    link, other = os.link, Recipe() if is_same else replace(Recipe(), seed=1)

    def link_second(source, target):
        monkeypatch.setattr(os, "link", link)
        keep_recipe(other, tmp_path, 0.35)
        link(source, target)

    monkeypatch.setattr(os, "link", link_second)
    if is_same:
        keep_recipe(Recipe(), tmp_path, 0.35)
    else:
        with pytest.raises(typer.BadParameter, match="another recipe"):
            keep_recipe(Recipe(), tmp_path, 0.35)
    kept = (tmp_path / "recipe.json").read_text()
    keep_recipe(other, tmp_path, 0.35)
    assert (tmp_path / "recipe.json").read_text() == kept
    assert len(list(tmp_path.iterdir())) == 1
