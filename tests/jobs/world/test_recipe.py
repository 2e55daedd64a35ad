"""Checkpoints belong to one recipe."""

from dataclasses import replace

import pytest
import typer

from jobs.world.recipe import Recipe, keep_recipe


def test_checkpoints_of_another_recipe_are_refused(tmp_path):
    keep_recipe(Recipe(), tmp_path)
    keep_recipe(Recipe(), tmp_path)
    with pytest.raises(typer.BadParameter, match="checkpoints of another recipe; remove it"):
        keep_recipe(replace(Recipe(), seed=1), tmp_path)
