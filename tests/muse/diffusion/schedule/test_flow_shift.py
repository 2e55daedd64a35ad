"""The shift of flow matching by the size of the image, as diffusers' pipelines compute it."""

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from muse.diffusion.schedule.flow_shift import dynamic_shift, static_shift
from muse.diffusion.schedule.schedules import make_schedule

DEV = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "shift": 3.0,
    "use_dynamic_shifting": True,
}
"""The scheduler of FLUX.1 dev."""


@pytest.mark.parametrize("patches", [64, 256, 1024, 4096, 6400])
def test_it_is_that_of_their_pipeline(patches):
    assert dynamic_shift(DEV, patches) == calculate_shift(patches)
    other = {"base_shift": 0.2, "max_shift": 0.9, "base_image_seq_len": 64}
    theirs = calculate_shift(patches, base_seq_len=64, base_shift=0.2, max_shift=0.9)
    assert dynamic_shift(other, patches) == pytest.approx(theirs, rel=1e-12)


def test_without_a_size_it_is_that_of_the_larger_one():
    assert dynamic_shift(DEV, None) == pytest.approx(1.15, rel=1e-12)


def test_a_larger_image_stays_longer_at_noise():
    small, large = (make_schedule(DEV, 8, patches=patches) for patches in (256, 4096))
    assert (large.sigmas[1:-1] > small.sigmas[1:-1]).all()


@pytest.mark.parametrize("kind", ["exponential", "linear"])
def test_as_a_fixed_shift_it_is_the_same(kind):
    config = {**DEV, "time_shift_type": kind}
    fixed = {**config, "use_dynamic_shifting": False, "shift": static_shift(config, 1024)}
    ours = make_schedule(config, 8, patches=1024, even_sigmas=True)
    theirs = make_schedule(fixed, 8, even_sigmas=True)
    assert torch.allclose(ours.sigmas, theirs.sigmas, rtol=1e-6)


@pytest.mark.parametrize("sampler", ["heun", "dpm++", "unipc"])
def test_other_schedulers_have_it_too(sampler):
    small, large = (make_schedule(DEV, 8, sampler, patches=patches) for patches in (256, 4096))
    assert not torch.allclose(small.sigmas[1:-1], large.sigmas[1:-1], rtol=1e-2)
    static = {**DEV, "use_dynamic_shifting": False, "shift": static_shift(DEV, 4096)}
    assert torch.allclose(large.sigmas, make_schedule(static, 8, sampler).sigmas, rtol=1e-6)


def test_a_fixed_shift_beside_it_is_refused_and_one_instead_of_it_taken():
    with pytest.raises(ValueError, match=r"shift is 2.0, but .*use_dynamic_shifting = false"):
        make_schedule(DEV, 8, options={"shift": 2.0})
    options = {"shift": 2.0, "use_dynamic_shifting": False}
    one, other = (make_schedule(DEV, 8, options=options, patches=n) for n in (64, 4096))
    assert torch.equal(one.sigmas, other.sigmas)


def test_noise_levels_may_be_spaced_evenly_from_one():
    even = make_schedule({**DEV, "use_dynamic_shifting": False, "shift": 1.0}, 4, even_sigmas=True)
    assert even.sigmas.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    own = make_schedule({**DEV, "use_dynamic_shifting": False, "shift": 1.0}, 4)
    assert own.sigmas[-2] < 0.01
