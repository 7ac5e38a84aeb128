"""The noise that is trained with, and the samplers of diffusers that take it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demos.diffusion.config import Sampler

TIMES = 1000  # of the training


def training_scheduler() -> Any:
    """Cosine noise (Nichol and Dhariwal, 2021) up to next to no picture, and the velocity as what is predicted."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(TIMES, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")


def scheduler_of(sampler: Sampler, other: Any) -> Any:
    """The scheduler of a name, with the noise of another.

    Times lie at equal distances up to the noisiest ("trailing": Lin et al., Common Diffusion Noise Schedules, 2024),
    since a sampler that starts where a little of the picture is left never draws all white.
    """
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler

    kinds: dict[str, Any] = {
        "ddim": DDIMScheduler,
        "dpm++": DPMSolverMultistepScheduler,
        "euler": EulerDiscreteScheduler,
        "heun": HeunDiscreteScheduler,
    }
    plain = {"clip_sample": False} if sampler == "ddim" else {}
    return kinds[sampler].from_config(other.config, timestep_spacing="trailing", **plain)
