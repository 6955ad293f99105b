"""How the recipe of a submitted job is started."""

from __future__ import annotations

from pathlib import PurePosixPath

from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.command import command_words
from nemo_runspec.execution.environment import JobEnvironment
from nemo_runspec.execution.launching import LaunchRequest
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile
from nemo_runspec.execution.submission.model import JobPlace
from nemo_runspec.packaging.self_contained import CONFIG


def image_of(plan: RecipePlan, profile: Profile) -> str | None:
    """The container image of a job: the profile's, else the recipe's; empty means none."""
    chosen = plan.recipe.image if profile.container_image is None else profile.container_image
    return chosen or None


def launch_request(
    plan: RecipePlan,
    profile: Profile,
    place: JobPlace,
    environment: JobEnvironment,
    script: str,
) -> LaunchRequest:
    """Say how the recipe is started, with the paths that the job sees.

    Args:
        plan: What is run.
        profile: Where and with what.
        place: Where the job will lie.
        environment: The job's variables.
        script: The script, as a process in the job's code folder names it.
    """
    code, workdir = PurePosixPath(place.seen_code_dir), plan.recipe.run.workdir
    beside = PurePosixPath() if workdir is None else code
    return LaunchRequest(
        launch=plan.recipe.run.launch,
        words=command_words(plan.recipe, script=str(beside / script), config=str(beside / CONFIG)),
        workdir=workdir or str(code),
        run_dir=place.seen_job_dir,
        variables=environment.public,
        secret_names=tuple(environment.secrets),
        startup_commands=profile.startup_commands,
        nodes=profile.nodes,
        processes_per_node=processes_per_node(plan, profile),
        executor=profile.executor,
        ray_address=profile.ray_address,
        gpus_per_node=profile.gpus_per_node if profile.gpus_per_node > 0 else None,
    )


def processes_per_node(plan: RecipePlan, profile: Profile) -> int:
    """How many processes of the script run on each machine.

    Raises:
        ProfileError: torchrun is to start one for each GPU, and the profile says "all" of them.
    """
    if profile.ntasks_per_node is not None:
        return profile.ntasks_per_node
    if plan.recipe.run.launch != "torchrun":
        return 1
    if profile.gpus_per_node < 0:
        raise ProfileError(
            f"The profile '{profile.name}' takes all GPUs, so how many processes torchrun starts "
            "is not said.",
            where=profile.name,
            hint="Write how many GPUs, or ntasks_per_node = … beside it.",
        )
    return max(1, profile.gpus_per_node)
