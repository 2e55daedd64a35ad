"""What an evaluation has finished is made and measured once, and belongs to that evaluation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jobs.evaluation.arms.models import Arm
from jobs.evaluation.arms.registry import in_batches
from jobs.evaluation.cases import draw_cases
from jobs.evaluation.kept import NOTHING, Kept
from jobs.evaluation.measures.results import ArmResult, by_task
from muse.method import Method
from muse.request import Sample, Trace
from pipeline.errors import UserError

METHOD = Method(steps=3)
CASES = draw_cases(20, 3, editing=False)


def _painting(made, limit=100):
    """An arm whose pixels are the seeds' last bytes; interrupted after `limit` batches."""

    def make(models, method, cases):
        if len(made) == limit:
            raise KeyboardInterrupt
        made.append([case.seed for case in cases])
        traces = [Trace(similarity=[1 / 3, case.seed / 7], start_step=None) for case in cases]
        levels = [torch.full((4, 4, 3), case.seed % 256, dtype=torch.uint8) for case in cases]
        return [Sample(*sample) for sample in zip(levels, traces, strict=True)]

    return Arm(make, name="paint x1")


def test_after_an_interruption_only_the_missing_batches_are_made(tmp_path):
    made = []
    with pytest.raises(KeyboardInterrupt):
        in_batches(_painting(made, limit=1), None, METHOD, CASES, Kept(tmp_path))
    resumed = Kept(tmp_path)
    pixels, samples, seconds = in_batches(_painting(made), None, METHOD, CASES, resumed)
    assert [len(batch) for batch in made] == [16, 4]
    assert 0 < resumed.earlier_seconds < seconds
    whole = in_batches(_painting([]), None, METHOD, CASES)
    assert torch.equal(pixels, whole[0])
    assert [sample.trace for sample in samples] == [sample.trace for sample in whole[1]]


@pytest.mark.parametrize("changed", ["arm", "method", "change", "cases", "source"])
def test_other_work_is_not_taken_for_it(tmp_path, changed):
    made, kept = [], Kept(tmp_path)
    arm, method, cases = _painting(made), METHOD, CASES[:2]
    kept.batch(arm, None, method, cases)
    if changed == "arm":
        arm = replace(arm, name="paint x2")
    elif changed == "method":
        method = METHOD.replace(guidance_scale=3.0)
    elif changed == "change":
        arm = replace(arm, changes={"guidance_scale": 3.0})
    elif changed == "cases":
        cases = cases[::-1]
    else:
        cases = [replace(case, source=torch.zeros(3, 4, 4)) for case in cases]
    assert not kept.batch(arm, None, method, cases).is_earlier
    assert kept.batch(arm, None, method, cases).is_earlier
    assert len(made) == 2


def test_edits_of_other_pictures_are_other_work(tmp_path):
    made, kept = [], Kept(tmp_path)
    for level in (0.0, 0.5):
        edits = [replace(CASES[0], source=torch.full((3, 4, 4), level))]
        kept.batch(_painting(made), None, METHOD, edits)
    assert len(made) == 2


def test_a_part_of_an_arm_is_made_once_and_its_time_is_counted_with_the_whole(tmp_path):
    made, kept = [], Kept(tmp_path)
    make = kept.making(_painting(made))
    one, other = (make(None, METHOD, CASES[:2]) for _ in range(2))
    assert torch.equal(one[1].pixels, other[1].pixels)
    assert len(made) == 1
    assert kept.earlier_seconds == 0


def test_a_failed_request_is_not_kept(tmp_path):
    failed = Arm(lambda *_: [Sample(None, Trace(), "no memory")], name="failing")
    with pytest.raises(RuntimeError, match="no memory"):
        Kept(tmp_path).batch(failed, None, METHOD, CASES[:1])
    assert not [*tmp_path.rglob("*.safetensors")]


def test_measures_come_back_with_the_same_figures_in_the_same_order(tmp_path):
    rng = np.random.default_rng(0)
    values = {name: rng.random(20) for name in ("success_examiner", "right", "cost", "clip_t")}
    together = {"mean": 0.1, "low": 1 / 3, "high": 0.7, "n": 9}
    result = ArmResult(CASES, values, rng.random((20, 8)), together, None, [], 2.5)
    kept, arm = Kept(tmp_path), _painting([])
    assert kept.result(arm, METHOD, CASES, [], 2.5) is None
    kept.keep(arm, METHOD, result)
    found = Kept(tmp_path).result(arm, METHOD, CASES, [], 2.5)
    assert np.array_equal(found.probs, result.probs)
    assert repr(by_task(found)) == repr(by_task(result))
    assert kept.result(arm, METHOD, CASES[:19], [], 2.5) is None, "of other cases"


def test_without_a_folder_nothing_is_kept():
    made, arm = [], _painting([])
    for _ in range(2):
        NOTHING.batch(_painting(made), None, METHOD, CASES[:1])
    assert len(made) == 2
    NOTHING.keep(arm, METHOD, ArmResult(CASES, {}, np.zeros((20, 8)), None, None, [], 1.0))
    assert NOTHING.result(arm, METHOD, CASES, [], 1.0) is None


def test_an_arm_without_a_name_would_be_taken_for_any_other(tmp_path):
    with pytest.raises(ValueError, match="without a name"):
        Kept(tmp_path).batch(replace(_painting([]), name=""), None, METHOD, CASES[:1])


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, None])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, damage):
    kept, arm = Kept(tmp_path), _painting([])
    kept.batch(arm, None, METHOD, CASES[:1])
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-9] if damage is None else damage)
    with pytest.raises(UserError, match=f"{file.name} is damaged.*remove it"):
        kept.batch(arm, None, METHOD, CASES[:1])
    file.unlink()
    assert not kept.batch(arm, None, METHOD, CASES[:1]).is_earlier


def test_a_file_with_one_bit_changed_or_of_another_place_is_damaged(tmp_path):
    arm, other = _painting([]), replace(_painting([]), name="paint x2")
    kept, there = Kept(tmp_path / "here"), Kept(tmp_path / "there")
    kept.batch(arm, None, METHOD, CASES[:1])
    there.batch(other, None, METHOD, CASES[:1])
    (file,) = (tmp_path / "here").rglob("*.safetensors")
    (elsewhere,) = (tmp_path / "there").rglob("*.safetensors")
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{file.name} is damaged.*remove it"):
        kept.batch(arm, None, METHOD, CASES[:1])
    file.write_bytes(elsewhere.read_bytes())
    with pytest.raises(UserError, match=f"{file.name} is damaged.*remove it"):
        kept.batch(arm, None, METHOD, CASES[:1])
    file.write_bytes(data)
    assert kept.batch(arm, None, METHOD, CASES[:1]).is_earlier


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"x"', "{}", '{"other": 1}'])
def test_what_is_no_configuration_is_damaged(tmp_path, text):
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(UserError, match=r"evaluation\.json is damaged.*another --work"):
        Kept.of(tmp_path, {"suite": "quick"})


def test_a_folder_belongs_to_one_evaluation(tmp_path):
    wanted = {"suite": "quick", "seed": 3, "arms": {"words": {"x1": {"images": 1}}}}
    folder = tmp_path / "work"
    Kept.of(folder, wanted)
    assert Kept.of(folder, wanted).folder == folder
    with pytest.raises(UserError, match=r"seed: 3 -> 4.*another --work"):
        Kept.of(folder, wanted | {"seed": 4})
    with pytest.raises(UserError, match=r"arms\.words\.x1\.images: 1 -> 2"):
        Kept.of(folder, wanted | {"arms": {"words": {"x1": {"images": 2}}}})


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Kept.of(tmp_path / "file", {})
    with pytest.raises(UserError, match=r"make room.*same command again"):
        Kept(tmp_path / "file").batch(_painting([]), None, METHOD, CASES[:1])
