"""``recipe._target_`` and what stands around it, as the framework's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.files import first_line
from nemo_runspec.config.image import described_container, image_of
from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.suggest import did_you_mean
from nemotron_kit_megatron.loading.blends import use_blend
from nemotron_kit_megatron.loading.merging import merge
from nemotron_kit_megatron.loading.models import check_model
from nemotron_kit_megatron.loading.packs import PackedData, check_packs, use_packed_data
from nemotron_kit_megatron.loading.targets import TARGET, build, call_target, find_target
from nemotron_kit_megatron.loading.targets import parameters_of as _parameters_of
from nemotron_kit_megatron.versions import WORKS, is_installed

_OURS = frozenset({"run", "artifacts", "recipe", "data"})
_HF_TOKENIZER = "HuggingFaceTokenizer"
_BLEND, _PACKED = "per_split_data_args_path", "packed"
# Arguments that recipes once took, and where the same is set now.
_ELSEWHERE = {
    "pretrained_checkpoint": "checkpoint",
    "ckpt_step": "checkpoint",
    "load": "checkpoint",
    "save": "checkpoint",
}


def load_recipe(config: DictConfig | Mapping[str, Any]) -> Any:
    """Build the configuration that ``pretrain`` and ``finetune`` take.

    ``recipe._target_`` names the framework's recipe, the other keys of ``recipe`` its arguments.
    ``data.per_split_data_args_path`` (or the same below ``recipe``) is a ``blend.json``;
    ``data.packed`` names packed conversations, see
    :class:`~nemotron_kit_megatron.loading.packs.PackedData`. ``run`` and ``artifacts`` are ours.
    Every other section is merged into the section of that name, key by key.

    Args:
        config: The configuration. Register the resolvers before, with ``setup_artifact_tracking``.

    Returns:
        The framework's ``ConfigContainer``.

    Raises:
        ExecutionError: Megatron-Bridge is not installed here.
        ConfigError: A name is unknown, a value does not fit, or data or model cannot be used.
    """
    settings = _plain(config)
    require_framework(settings)
    recipe = settings.get("recipe")
    if not isinstance(recipe, Mapping) or TARGET not in recipe:
        raise ConfigError("There is no recipe._target_, which names a recipe of Megatron-Bridge.")
    container, elsewhere = _called(recipe, image=image_of(settings))
    data = _data(settings, elsewhere)
    if _BLEND in data:
        use_blend(container, data[_BLEND])
    if _PACKED in data:
        use_packed_data(container, _packed(data[_PACKED]))
    merge(container, elsewhere)
    merge(container, {key: value for key, value in settings.items() if key not in _OURS})
    _check_tokenizer(container)
    check_packs(container)
    check_model(container, reference=_reference(settings))
    return container


def require_framework(config: DictConfig | Mapping[str, Any]) -> None:
    """Say where a recipe runs, where Megatron-Bridge is not installed.

    Args:
        config: The configuration; ``run.env.container`` names the image. Nothing else of it is
            resolved, so that no artifact has to be there.

    Raises:
        ExecutionError: It is not installed.
    """
    if is_installed():
        return
    raise ExecutionError(
        "Megatron-Bridge is not installed here; this recipe runs in "
        f"{described_container(config)}.",
        hint=f"Send it there with --run PROFILE. {WORKS}",
    )


def _found(target: Any, image: str | None) -> Any:
    """The function that a recipe names; where this release lacks it, another may have it."""
    try:
        return find_target(target, where=f"recipe.{TARGET}")
    except ConfigError as error:
        written_for = f"The recipe is written for {image}." if image else None
        hint = " ".join(part for part in (error.hint, written_for) if part)
        raise ConfigError(error.what, where=error.where, hint=hint or None) from error


def _called(recipe: Mapping[str, Any], *, image: str | None) -> tuple[Any, dict[str, Any]]:
    """The recipe's configuration, and what belongs elsewhere in this release."""
    where = "recipe"
    found = _found(recipe[TARGET], image)
    taken = _parameters_of(found)
    arguments: dict[str, Any] = {}
    elsewhere: dict[str, Any] = {}
    for key, value in recipe.items():
        if key == TARGET:
            continue
        if taken is None or key in taken:
            arguments[key] = build(value, where=f"{where}.{key}")
        elif key == _BLEND:
            elsewhere[key] = value
        elif key in _ELSEWHERE:
            elsewhere.setdefault(_ELSEWHERE[key], {})[key] = value
        else:
            arguments[key] = value
    return call_target(found, arguments, where=where), elsewhere


def _data(settings: Mapping[str, Any], elsewhere: dict[str, Any]) -> dict[str, Any]:
    data = settings.get("data") or {}
    if not isinstance(data, Mapping):
        raise ConfigError("It is no section.", where="data")
    found = {key: value for key, value in data.items() if value is not None}
    for key in found:
        if key not in (_BLEND, _PACKED):
            raise ConfigError(
                f"There is no setting 'data.{key}'.",
                where=f"data.{key}",
                hint=did_you_mean(key, (_BLEND, _PACKED)),
            )
    if _BLEND in elsewhere:
        found.setdefault(_BLEND, elsewhere.pop(_BLEND))
    if _BLEND in found and _PACKED in found:
        raise ConfigError(f"Give {_BLEND} or {_PACKED}, not both.", where="data")
    return found


def _packed(section: Any) -> PackedData:
    from nemo_runspec.config import omegaconf_to_dataclass

    if not isinstance(section, Mapping):
        raise ConfigError("It is no section.", where=f"data.{_PACKED}")
    try:
        return omegaconf_to_dataclass(OmegaConf.create(dict(section)), PackedData)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"data.{_PACKED}", hint=error.hint) from error


def _check_tokenizer(container: Any) -> None:
    """Refuse what the framework would stumble over when every process has been started."""
    tokenizer = getattr(container, "tokenizer", None)
    from_hub = getattr(tokenizer, "tokenizer_type", None) == _HF_TOKENIZER
    if from_hub and getattr(tokenizer, "tokenizer_model", None) is None:
        raise ConfigError(
            "No tokenizer is named.",
            where="tokenizer.tokenizer_model",
            hint="Imported data may not say which it was made with: set it to that one.",
        )


def _reference(settings: Mapping[str, Any]) -> str | None:
    run = settings.get("run")
    model = run.get("model") if isinstance(run, Mapping) else None
    return model if isinstance(model, str) else None


def _plain(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(config, DictConfig):
        return dict(config)
    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"It cannot be resolved: {first_line(error)}.", where=error.full_key or None
        ) from error
    return dict(plain)
