"""Textual inversions are loaded as diffusers loads them, and read wherever prompts are read."""

import warnings

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from muse.diffusion.backbones import as_names, load_backbone
from muse.diffusion.backbones.text_encoders import word_embeddings
from muse.diffusion.files.part_weights import PartlyRead
from muse.diffusion.schedule.schedules import latent_scale
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.guidance.tokens import word_ids
from muse.method import Method
from muse.request import Request
from tests.support.embeddings import CONTENTS, save_embedding
from tests.support.families import FAMILIES

ALLOWED = 5e-6
"""Relative distance of latents, |ours - theirs| / |theirs|."""

SCALE = 0.4
"""Of the entries of word embeddings with which another prompt makes another image."""

PARTS = {
    "sd1": {"<cat>": "text_encoder"},
    "sd2": {"emb_params": "text_encoder"},
    "sdxl": {"clip_l": "text_encoder", "clip_g": "text_encoder_2"},
    "flux": {"clip_l": "text_encoder", "t5": "text_encoder_2"},
}
"""By family: the text encoder that each tensor of a file is for."""


@pytest.fixture(scope="module")
def folders(tokenizer, tmp_path_factory):
    """The folder of a small model of a family, by its name; each is made once."""
    made = {}

    def folder(family):
        if family not in made:
            torch.manual_seed(0)
            pipe = FAMILIES[family](tokenizer)
            for name, part in pipe.components.items():
                if "text_encoder" in name:
                    table = word_embeddings(part).weight.data
                    table *= SCALE / table.std()
            made[family] = tmp_path_factory.mktemp(family)
            pipe.save_pretrained(made[family])
        return made[family]

    return folder


def _with_embedding(folder, family, file, token="<cat>"):
    """diffusers' pipeline after `load_textual_inversion`."""
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    # Where this release of diffusers looks for the last normalisation; transformers has moved it.
    if not hasattr(pipe.text_encoder, "text_model"):
        pipe.text_encoder.__dict__["text_model"] = pipe.text_encoder
    for name, vectors in load_file(file).items():
        part = PARTS[family][name]
        pipe.load_textual_inversion(
            vectors,
            token=token,
            tokenizer=getattr(pipe, part.replace("text_encoder", "tokenizer")),
            text_encoder=getattr(pipe, part),
        )
    return pipe


@torch.no_grad()
def _theirs(pipe, prompt, negative, **call):
    """Latents of diffusers' pipeline, before those of the last step are scaled."""
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))
    call |= {"negative_prompt": negative, "num_inference_steps": 3, "guidance_scale": 4.0}
    return pipe(prompt, latents=noise, height=32, width=32, output_type="latent", **call).images


def _ours(backbone, guide, clip, prompt, negative):
    steps = []
    method = Method(steps=3, timing="never", guidance_scale=4.0)
    request = Request(prompt, Target.of("awe"), 7, negative)
    engine = MuseEngine(backbone, guide, clip, method)
    (sample,) = engine.run([request], lambda _, latents: steps.append(latents.clone()))
    assert sample.failure is None
    return steps[-1] * latent_scale(backbone.scheduler_config)


def _distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize(
    ("family", "count"), [("sd1", 1), ("sd1", 3), ("sd2", 3), ("sdxl", 1), ("sdxl", 3)]
)
def test_latents_equal_those_of_diffusers(
    folders, tmp_path, random_guide, random_clip, family, count
):
    folder = folders(family)
    file = save_embedding(tmp_path / "cat.safetensors", CONTENTS[family](count), scale=SCALE)
    backbone = load_backbone(folder, embedding=f"{file}:<cat>")
    plain = load_backbone(folder)
    pipe = _with_embedding(folder, family, file)
    for prompt, negative in (("a <cat> in a forest", None), ("a dog", "rain, <cat>")):
        theirs = _theirs(pipe, prompt, negative)
        ours = _ours(backbone, random_guide, random_clip, prompt, negative)
        assert _distance(ours, theirs) < ALLOWED
        without = _ours(plain, random_guide, random_clip, prompt, negative)
        assert _distance(without, theirs) > 1e-3, "or the vectors would not matter"


def test_clip_skip_reads_the_vectors_as_diffusers_does(
    folders, tmp_path, random_guide, random_clip
):
    file = save_embedding(tmp_path / "cat.safetensors", CONTENTS["sd1"](2), scale=SCALE)
    backbone = load_backbone(folders("sd1"), embedding=file, clip_skip=1)
    theirs = _theirs(_with_embedding(folders("sd1"), "sd1", file), "a <cat>", "rain", clip_skip=1)
    assert (
        _distance(_ours(backbone, random_guide, random_clip, "a <cat>", "rain"), theirs) < ALLOWED
    )


@torch.no_grad()
@pytest.mark.parametrize("has_t5", [True, False])
def test_both_encoders_of_flux_read_them(folders, tmp_path, has_t5):
    """Without vectors for the T5, that reads the token as text; which is told."""
    shapes = CONTENTS["flux"](2)
    if not has_t5:
        del shapes["t5"]
    file = save_embedding(tmp_path / "cat.safetensors", shapes, scale=SCALE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PartlyRead)
        backbone = load_backbone(folders("flux"), embedding=f"{file}:<cat>")
    told = [str(each.message) for each in caught if each.category is PartlyRead]
    assert len(told) == (not has_t5)
    assert all("has no vectors for the text_encoder_2" in each for each in told)
    pipe = _with_embedding(folders("flux"), "flux", file)
    length = backbone.text.tokenizers[1].model_max_length
    context, pooled, _ = pipe.encode_prompt("a <cat> dog", None, max_sequence_length=length)
    ours = backbone.embed(backbone.text.plain(["a <cat> dog"]))
    assert torch.allclose(ours.context, context, atol=1e-5)
    assert torch.allclose(ours.pooled, pooled, atol=1e-5)


def test_they_stand_beside_emotional_tokens_in_windows_and_in_edits(
    folders, tmp_path, random_guide, random_clip
):
    file = save_embedding(tmp_path / "cat.safetensors", CONTENTS["sd1"](3), scale=SCALE)
    backbone = load_backbone(folders("sd1"), embedding=f"{file}:Cat-Toy")
    tokenizer = backbone.text.tokenizers[0]
    vectors = tokenizer.convert_tokens_to_ids(["Cat-Toy", "Cat-Toy_1", "Cat-Toy_2"])
    assert word_ids(tokenizer, "Cat-Toy") == word_ids(tokenizer, "cat-toy") == vectors
    method = Method(steps=2, timing="fixed", long_prompts="chunk", max_updates_per_step=1)
    engine = MuseEngine(backbone, random_guide, random_clip, method)
    long = "a dog in the rain " * 10 + "cat-toy"
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    requests = [
        Request(long, Target.of("awe"), 7, "rain, Cat-Toy"),
        Request("a Cat-Toy", Target.of("fear"), 7, None, image),
    ]
    for sample in engine.run(requests):
        assert sample.failure is None
        assert sample.trace.updates > 0
    opened = backbone.text.open([long], [Target.of("awe")], method.tokens, "", [2])
    (row,) = opened.ids[0].tolist()
    assert [row[place] for place in range(len(row)) if row[place] in vectors] == vectors
    assert not {*vectors} & {row[place] for place in opened.positions[0][0].tolist()}


def test_several_are_added_and_what_does_not_fit_is_refused_by_name(folders, tmp_path):
    cat = save_embedding(tmp_path / "cat.safetensors", {"<cat>": (2, 32)})
    toy = save_embedding(tmp_path / "toy.safetensors", {"emb_params": (32,)}, seed=1)
    backbone = load_backbone(folders("sd1"), embedding=[cat, f"{toy}:<toy>"])
    tokenizer, table = backbone.text.tokenizers[0], backbone.text.tables[0].weight
    names = ["<cat>", "<cat>_1", "<toy>"]
    given = torch.cat([load_file(cat)["<cat>"], load_file(toy)["emb_params"][None]])
    assert torch.equal(table[tokenizer.convert_tokens_to_ids(names)], given)
    assert len(table) == len(tokenizer)
    assert not table.requires_grad
    with pytest.raises(ValueError, match=r"the embedding .*toy.safetensors:<CAT>: it cannot have"):
        load_backbone(folders("sd1"), embedding=[cat, f"{toy}:<CAT>"])
    spoilt = load_file(cat)
    spoilt["<cat>"][1, 3] = float("nan")
    save_file(spoilt, cat)
    with pytest.raises(ValueError, match=r"the values of <cat> in cat.safetensors are not all fin"):
        load_backbone(folders("sd1"), embedding=cat)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_one_that_no_prompt_names_changes_nothing(folders, tmp_path, family):
    """However loud it is: emotional tokens are measured by words alone."""
    file = save_embedding(tmp_path / "loud.safetensors", CONTENTS[family](8), scale=50.0)
    plain = load_backbone(folders(family)).text.scale
    assert torch.equal(load_backbone(folders(family), embedding=f"{file}:<loud>").text.scale, plain)


def test_what_is_no_list_of_names_is_refused():
    assert as_names(None) == as_names(()) == []
    for given in ({"cat.safetensors": "<cat>"}, 5):
        with pytest.raises(ValueError, match="is no name; give one text, or a list of them"):
            as_names(given)
    for given in ("", ["cat.safetensors", " "]):
        with pytest.raises(ValueError, match="a name is empty"):
            as_names(given)
