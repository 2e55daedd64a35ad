"""Configurations of schedulers as published models have them."""

SD15 = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
SD3 = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
