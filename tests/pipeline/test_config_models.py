import pytest
from pydantic import ValidationError

from muse.emotions import MIKELS
from muse.emotions.taxonomies import EMOTION6
from pipeline.config_models import EMBEDDED, ModelSettings, with_current_values


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guide": "x", "judge": "x"}, "give another classifier as --judge"),
        ({"tiny_vae": "full"}, 'tiny_vae = "full" is now "none"'),
        ({"label_map": {"giude": {}}}, "it has the tables guide and judge"),
        ({"emotions": ["joyful"]}, "unknown emotion 'joyful'"),
        ({"model": ""}, "model is empty; give a folder, a hub id or embedded"),
        ({"judge": " "}, "judge is empty; give a folder, a hub id or embedded"),
        ({"emotions": ["awe", "AWE "]}, "names 'awe' twice; name it once"),
        ({"emotions": [" "]}, "one is empty; name them, as in awe,fear, or give all"),
        ({"compile": "yes"}, "Input should be 'auto', 'on' or 'off'"),
        ({"compile": 1}, "Input should be 'auto', 'on' or 'off'"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_the_remedy(settings, message):
    with pytest.raises(ValidationError, match=message):
        ModelSettings(**settings)


@pytest.mark.parametrize(
    "settings", [{}, {"guide": "x", "judge": "x", "allow_same_judge": True}, {"guide": "x"}]
)
def test_a_judge_may_be_the_guide_only_where_that_is_meant_or_both_are_embedded(settings):
    assert ModelSettings(**settings).judge == settings.get("judge", EMBEDDED)


def test_blocks_are_compiled_by_choice_or_as_true_and_false_were_meant():
    given = [ModelSettings(), *(ModelSettings(compile=value) for value in (True, False, "on"))]
    assert [settings.compile for settings in given] == ["auto", "on", "off", "on"]
    older = with_current_values({"compile": False, "vae_tiling": False, "clip_skip": 0})
    assert older == {"compile": "off", "vae_tiling": False, "clip_skip": 0}


def test_emotions_are_those_of_the_taxonomy_as_it_writes_them():
    assert ModelSettings().emotions == MIKELS.labels
    assert ModelSettings(taxonomy="emotion6").emotions == EMOTION6.labels
    assert ModelSettings(emotions=["Awe"]).emotions == ("awe",)
