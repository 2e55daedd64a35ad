"""What is no textual inversion, or does not name its token, is told by its header."""

import pytest
import torch
from safetensors.torch import load_file

from muse.diffusion.files.embeddings.embedding_files import Embedding, embedding_place
from tests.support.embeddings import save_embedding

XL = {"clip_l": (2, 32), "clip_g": (2, 48)}


def _saved(folder, shapes, name="cat.safetensors"):
    return save_embedding(folder / name, shapes)


@pytest.mark.parametrize(
    ("shapes", "token", "read_as", "names"),
    [
        ({"<cat>": (2, 32)}, None, "<cat>", {"": ["<cat>", "<cat>_1"]}),
        ({"<cat>": (1, 32)}, "<toy>", "<toy>", {"": ["<toy>"]}),
        ({"<cat>": (32,)}, None, "<cat>", {"": ["<cat>"]}),
        ({"emb_params": (2, 32)}, "toy", "toy", {"": ["toy", "toy_1"]}),
        (XL, "t", "t", {"clip_l": ["t", "t_1"], "clip_g": ["t", "t_1"]}),
    ],
)
def test_one_tensor_or_one_for_each_encoder(tmp_path, shapes, token, read_as, names):
    file = _saved(tmp_path, shapes)
    embedding = Embedding.read(file, token)
    assert embedding == Embedding.read(tmp_path, token), "the only file of a folder"
    assert (embedding.file, embedding.token) == (file, read_as)
    assert {key: embedding.names(key) for key in embedding.shapes} == names
    vectors = embedding.vectors()
    assert {key: tuple(each.shape) for key, each in vectors.items()} == embedding.shapes
    stored = load_file(file)
    for key, name in embedding.tensors.items():
        assert torch.equal(vectors[key].flatten(), stored[name].flatten())


@pytest.mark.parametrize("shapes", [{"emb_params": (2, 32)}, {"*": (2, 32)}, {"a cat": (32,)}, XL])
def test_a_file_that_names_no_token_needs_one(tmp_path, shapes):
    with pytest.raises(ValueError, match=r"does not name its token .*, as in cat.safetensors:cat$"):
        Embedding.read(_saved(tmp_path, shapes), None)


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({}, "it has no tensors; copy it again"),
        (
            {"unet.a.lora_A.weight": (2, 32)},
            "is no textual inversion but a LoRA .*; give it as `lo",
        ),
        ({"lora_te_text_model.alpha": (1,)}, "is no textual inversion but a LoRA"),
        (
            {"model.diffusion_model.out.2.bias": (4,), "first_stage_model.x": (1,)},
            r"no textual inversion but a whole model \(it has model.diffusion_model.out.2.bias\)",
        ),
        ({"conv_in.bias": (4,), "conv_in.weight": (4, 4)}, "it has 2 tensors, such as conv_in"),
        ({**XL, "more": (1, 32)}, "it has 3 tensors"),
        ({"conv_in.weight": (4, 4, 3, 3)}, r"conv_in.weight is of the shape \[4, 4, 3, 3\]"),
        ({"<cat>": (0, 32)}, r"<cat> is of the shape \[0, 32\]"),
        ({"<cat>": ()}, r"<cat> is of the shape \[\]"),
    ],
)
def test_what_is_no_textual_inversion_is_named(tmp_path, shapes, told):
    with pytest.raises(ValueError, match=told):
        Embedding.read(_saved(tmp_path, shapes), "<cat>")


def test_a_damaged_file_and_a_folder_without_one_are_told(tmp_path):
    file = _saved(tmp_path, {"<cat>": (2, 32)})
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        Embedding.read(file, None)
    file.unlink()
    with pytest.raises(ValueError, match=r"no textual inversion: .*such as learned_embeds.safet"):
        Embedding.read(tmp_path, None)
    for name in ("a.safetensors", "b.safetensors"):
        _saved(tmp_path, {"<cat>": (2, 32)}, name)
    with pytest.raises(ValueError, match="give the one to use, such as"):
        Embedding.read(tmp_path, None)
    usual = _saved(tmp_path, {"<usual>": (2, 32)}, "learned_embeds.safetensors")
    assert Embedding.read(tmp_path, None).file == usual


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_told_when_they_are_read(tmp_path, value):
    from safetensors.torch import save_file

    vectors = torch.zeros(2, 32, dtype=torch.bfloat16)
    file = tmp_path / "cat.safetensors"
    save_file({"<cat>": vectors}, file)
    assert Embedding.read(file, None).vectors()[""].dtype == torch.bfloat16
    vectors[1, 3] = value
    save_file({"<cat>": vectors}, file)
    with pytest.raises(ValueError, match=r"values of <cat> in cat.safetensors are not all finite"):
        Embedding.read(file, None).vectors()
    save_file({"<cat>": torch.ones(2, 32, dtype=torch.int64)}, file)
    with pytest.raises(ValueError, match=r"is of the type torch.int64, and vectors are floating"):
        Embedding.read(file, None).vectors()


def test_a_place_is_a_file_or_a_folder_that_is_there(tmp_path):
    file = _saved(tmp_path, {"<cat>": (2, 32)})
    assert (embedding_place(str(file)), embedding_place(str(tmp_path))) == (file, tmp_path)
    with pytest.raises(ValueError, match="there is no such file"):
        embedding_place(str(tmp_path / "dog.safetensors"))
    with pytest.raises(ValueError, match="there is no such folder"):
        embedding_place(str(tmp_path / "dog"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("learned_embeds.bin", {"<cat>": torch.ones(32)}),
        ("cat.pt", {"string_to_param": {"*": torch.ones(2, 32, requires_grad=True)}, "name": "c"}),
        ("cat.bin", {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(32)}}),
        (
            "cat.pt",
            {"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(32))})},
        ),
        ("cat.pt", {"<cat>": torch.ones(32, 2).T}),
    ],
)
def test_a_pickled_one_is_refused_with_the_line_that_converts_it(
    tmp_path, monkeypatch, name, content
):
    monkeypatch.chdir(tmp_path)
    torch.save(content, name)
    places = [name] + ([str(tmp_path)] if name.endswith(".bin") else [])
    for place in places:
        with pytest.raises(
            ValueError, match=f"{name} is pickled, which can run any code"
        ) as caught:
            embedding_place(place)
    _, line, _ = str(caught.value).split("`")
    exec(line)
    converted = embedding_place(f"{name.partition('.')[0]}.safetensors")
    assert float(Embedding.read(converted, "<cat>").vectors()[""].sum()) in (32.0, 64.0)
    assert embedding_place(str(tmp_path)) == tmp_path, "beside safetensors it is not read"
