"""The noise that is trained with, and the samplers of diffusers that take it away again."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from demos.diffusion.config import TIMES
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.diffusion.config import Sampler

# Most and least noise, in times of the picture, where the steps are not equal in time. Heun's second look is worth
# nothing after a step from next to no picture to some: noise is the picture's 20,000 times at the last time, and 6
# times at the next of ten. So all begin where Karras et al., 2022, begin.
KARRAS: dict[str, Any] = {"sigma_max": 80.0, "sigma_min": 0.02}
LEVELS: dict[str, dict[str, Any]] = {
    "heun": {"use_exponential_sigmas": True, "sigma_max": 80.0, "sigma_min": 0.05},
    "dpm++karras": KARRAS,
    "dpm++sdekarras": KARRAS,
}
OWN = {"use_karras_sigmas", "use_exponential_sigmas"}  # a sampler's own, whatever the other's


def training_scheduler() -> Any:
    """Cosine noise (Nichol and Dhariwal, 2021) up to next to no picture, and the picture as what is predicted."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(TIMES, beta_schedule="squaredcos_cap_v2", prediction_type="sample")


def scheduler_of(sampler: Sampler, other: Any) -> Any:
    """The scheduler of a name, with the noise of another.

    Times lie at equal distances up to the noisiest ("trailing": Lin et al., Common Diffusion Noise Schedules, 2024),
    since a sampler that starts where a little of the picture is left never draws all white; but for those of LEVELS.
    """
    plain = {"clip_sample": False} if sampler in ("ddim", "lcm") else {}
    kind = _kinds()[sampler]
    # diffusers says aloud what of a config one class has no use for.
    taken = set(inspect.signature(kind.__init__).parameters)
    config = {name: value for name, value in other.config.items() if name in taken - OWN}
    made = kind.from_config(config, timestep_spacing="trailing", **plain, **_variant(sampler))
    made.register_to_config(**LEVELS.get(sampler, {}))
    return made


def swapped(other: Any, sampler: Sampler) -> Any:
    """The scheduler of a name with a published pipeline's own settings, its spacing of the times too; whether they are
    Karras' is in a DPM-Solver's name.

    Raises UserError when diffusers knows no way from the one to the other.
    """
    kind = _kinds()[sampler]
    if kind not in other.compatibles:
        raise UserError(f"--sampler {sampler}: does not go with this model, whose own is {type(other).__name__}")
    return kind.from_config(other.config, **_variant(sampler))


def _variant(sampler: Sampler) -> dict[str, Any]:
    """What tells two samplers of one class apart, whatever the other's settings."""
    if not sampler.startswith("dpm++"):
        return {}
    kind = "sde-dpmsolver++" if "sde" in sampler else "dpmsolver++"
    return {"algorithm_type": kind, "use_karras_sigmas": sampler.endswith("karras")}


def _kinds() -> dict[str, Any]:
    from diffusers import (
        DDIMScheduler,
        DPMSolverMultistepScheduler,
        EulerDiscreteScheduler,
        HeunDiscreteScheduler,
        LCMScheduler,
    )

    return {
        "ddim": DDIMScheduler,
        "dpm++": DPMSolverMultistepScheduler,
        "dpm++karras": DPMSolverMultistepScheduler,
        "dpm++sde": DPMSolverMultistepScheduler,
        "dpm++sdekarras": DPMSolverMultistepScheduler,
        "euler": EulerDiscreteScheduler,
        "heun": HeunDiscreteScheduler,
        "lcm": LCMScheduler,  # with which students draw
    }
