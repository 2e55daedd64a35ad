"""Settings files and assignments that are broken or absurd are refused with the reason."""

import os
import subprocess

import pytest

from pipeline.errors import UserError
from pipeline.settings import load_config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 50_000, "nested too deeply"),
        ("seed = 1e999", "seed is inf; give a whole number"),
        (
            "seed = 99999999999999999999999",
            "seed is 99999999999999999999999; give a whole number from 0",
        ),
        ("batch_size = 1000000", "batch_size is 1000000; give a whole number from 1 to 1024"),
        ("min_confidence = nan", "min_confidence is nan"),
        ("seed = 1979-05-27", "give a whole number"),
        ("method = 3", "it is a table of its own: [method]"),
        ("[null]\ndelay = -1", "null was removed"),
        ("[images]\nschemes = 'file'", "schemes is 'file'; give a list of texts"),
        ("[images]\nallow_private = 1", "images.allow_private is 1; give true or false"),
        ('image_format = "../../x"', "give one of png, jpg, webp"),
        ('engine = "os.system"', "give one of muse, null"),
        ('"__class__" = 1', "unknown key __class__"),
        ('"\\u001b[31m" = 1', "unknown key '\\x1b[31m'"),
        ("seed = 1\nseed = 2", "not valid TOML"),
        ("\0", "not valid TOML"),
        ("# " + "x" * 1_000_001, "more than 1,000,000 bytes"),
        (f"model = '{'x' * 300}'\nseed = 'x'", "seed is 'x'; give a whole number"),
    ],
)
def test_config_files(tmp_path, text, message):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(file, [], {})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seed=1\nbatch_size = 2", "give a whole number"),
        ("seed=" + "[" * 50_000, "give a whole number"),
        ("seed.x.y=1", "seed"),
        ("..=1", "unknown key"),
    ],
)
def test_assignments(assignment, message):
    with pytest.raises(UserError) as caught:
        load_config(None, [assignment], {})
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_config_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "run.toml").write_text("seed = 3", "utf-8-sig")
    assert load_config(tmp_path / "run.toml", [], {}).seed == 3


def test_files_that_are_no_config(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(tmp_path / "pipe.toml")
    for name in ("binary.toml", "pipe.toml", ".", "none.toml"):
        with pytest.raises(UserError, match="cannot be read"):
            load_config(tmp_path / name, [], {})


def test_lists_that_contradict_are_shown_as_they_are_written():
    with pytest.raises(UserError, match="--emotions awe,fear and --set emotions=anger: give one"):
        load_config(None, ['emotions=["anger"]'], {"emotions": ["awe", "fear"]})


def test_a_flag_and_an_assignment_that_contradict_are_not_chosen_between():
    with pytest.raises(UserError, match="--seed 1 and --set seed=2: give one of them"):
        load_config(None, ["seed=2"], {"seed": 1})
    assert load_config(None, ["seed=2"], {"seed": 2}).seed == 2


@pytest.mark.parametrize("key", ["lora", "images.schemes"])
def test_a_list_whose_quotes_a_shell_has_taken_is_refused_with_what_to_type(tmp_path, key):
    """The words are read by a real shell: as the user typed them, and as the message says."""

    def words(line):
        shell = subprocess.run(["bash", "-c", f"printf %s {line}"], capture_output=True, text=True)
        return shell.stdout

    with pytest.raises(UserError, match=rf"^--set: {key} is '\[a, b\]'; give a list") as caught:
        load_config(None, [words(f'{key}=["a",\\ "b"]')], {})
    typed = str(caught.value).partition("--set ")[2]
    config = load_config(None, [words(typed)], {})
    value = config.lora if key == "lora" else config.images.schemes
    assert value == ("a", "b")
    # In a file no shell is involved.
    (tmp_path / "run.toml").write_text("lora = '[a]'")
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "run.toml", [], {})
    assert "shell" not in str(caught.value)
