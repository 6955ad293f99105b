from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest
from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from nemo_runspec.config import omegaconf_to_dataclass
from nemo_runspec.errors import ConfigError

if TYPE_CHECKING:
    from decimal import Decimal


class Kind(Enum):
    ADAM = "adam"
    SGD = 2


@dataclass
class Optimizer:
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    kind: Kind = Kind.ADAM


@dataclass(frozen=True, slots=True)
class Blend:
    name: str
    weight: float = 1.0


@dataclass
class Config:
    data_path: Path
    steps: int
    name: str | None = None
    seed: Optional[int] = 7  # noqa: UP045 - both spellings are in use
    mode: Literal["train", "eval"] = "train"
    limit: Union[int, Literal["all"]] = "all"  # noqa: UP007 - both spellings are in use
    optimizer: Optimizer = field(default_factory=Optimizer)
    blends: list[Blend] = field(default_factory=list)
    by_name: dict[str, Blend] = field(default_factory=dict)
    either: Blend | Optimizer | None = None
    sizes: tuple[int, ...] = ()
    anything: dict[str, Any] = field(default_factory=dict)
    ratio: Annotated[float, Field(gt=0)] = 1.0
    derived: int = field(init=False, default=3)


class Model(BaseModel):
    path: Path
    inner: Optimizer = Optimizer()
    renamed: int = Field(default=1, alias="re-named")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 1


@dataclass
class Checked:
    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high.")


@dataclass
class WithRun:
    run: dict[str, Any]


@dataclass
class Unresolvable:
    a: Decimal


def typed(values: dict[str, Any], cls: type[Any] = Config) -> Any:
    return omegaconf_to_dataclass(OmegaConf.create(values), cls)


REQUIRED: dict[str, Any] = {"data_path": "/data", "steps": 1}


def test_defaults_hold_for_what_is_not_given() -> None:
    config = typed(REQUIRED)

    assert config == Config(Path("/data"), 1)
    assert type(config) is Config
    assert type(config.optimizer) is Optimizer


def test_values_are_converted_at_every_depth() -> None:
    config = typed(
        {
            "data_path": "/data",
            "steps": "10",
            "name": "x",
            "seed": None,
            "mode": "eval",
            "limit": 3,
            "optimizer": {"lr": "5e-5", "betas": [1, 0.5], "kind": "SGD"},
            "blends": [{"name": "a"}, {"name": "b", "weight": 2}],
            "by_name": {"x": {"name": "c"}},
            "either": {"lr": 1},
            "sizes": [1, 2, 3],
            "anything": {"deep": [{"er": 1}]},
        }
    )

    assert config == Config(
        data_path=Path("/data"),
        steps=10,
        name="x",
        seed=None,
        mode="eval",
        limit=3,
        optimizer=Optimizer(5e-5, (1.0, 0.5), Kind.SGD),
        blends=[Blend("a"), Blend("b", 2.0)],
        by_name={"x": Blend("c")},
        either=Optimizer(lr=1.0),
        sizes=(1, 2, 3),
        anything={"deep": [{"er": 1}]},
    )
    assert type(config.optimizer.lr) is float


@pytest.mark.parametrize(
    ("written", "kind"), [("adam", Kind.ADAM), ("ADAM", Kind.ADAM), (2, Kind.SGD)]
)
def test_an_enum_is_named_by_value_or_member(written: Any, kind: Kind) -> None:
    assert typed({**REQUIRED, "optimizer": {"kind": written}}).optimizer.kind is kind


def test_interpolations_are_resolved_through_sections_that_are_left_out() -> None:
    config = typed({**REQUIRED, "name": "${run.who}", "run": {"who": "me", "bad": "${nope:1}"}})

    assert config.name == "me"


def test_the_sections_of_the_job_are_left_out_unless_declared() -> None:
    job = {"run": {"data": "d:v1"}, "artifacts": {"wandb": True}, "defaults": []}

    assert typed({**REQUIRED, **job}) == Config(Path("/data"), 1)
    assert typed({"run": {"data": "d:v1"}}, WithRun) == WithRun({"data": "d:v1"})


def test_pydantic_models() -> None:
    config = typed({"path": "/x", "inner": {"lr": 1}, "re-named": 5}, Model)

    assert config == Model(path=Path("/x"), inner=Optimizer(lr=1.0), **{"re-named": 5})
    assert typed({"a": 2, "b": 3}, Open).model_extra == {"b": 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 1}, r"Config has no key 'stepz'. Did you mean 'steps'\?"),
        ({"optimizer": {"lrr": 1}}, r"Optimizer has no key 'optimizer.lrr'. Did you mean 'lr'"),
        ({"blends": [{"name": "a"}, {"nam": "b"}]}, r"Blend has no key 'blends.1.nam'.*'name'"),
        ({"by_name": {"x": {"wait": 1}}}, r"Blend has no key 'by_name.x.wait'.*'weight'"),
        ({"either": {"weigt": 1}}, r"Blend has no key 'either.weigt'.*'weight'"),
        ({"derived": 1}, r"Config has no key 'derived'"),
        ({"steps": "ten"}, r"'steps' is 'ten', but input should be a valid integer"),
        ({"steps": 1.5}, r"'steps' is 1.5, but .*integer"),
        ({"name": 3}, r"'name' is 3, but input should be a valid string"),
        ({"mode": "test"}, r"'mode' is 'test', but input should be 'train' or 'eval'"),
        ({"optimizer": {"betas": [1]}}, r"The key 'optimizer.betas.1' has no value"),
        ({"optimizer": 3}, r"'optimizer' is 3, but"),
        ({"ratio": -1}, r"'ratio' is -1, but input should be greater than 0"),
        ({"blends": [{}]}, r"The key 'blends.0.name' has no value"),
        ({"steps": "???"}, r"The key 'steps' has no value.*steps=…"),
        ({"anything": {"x": ["???"]}}, r"The key 'anything.x.0' has no value"),
        (
            {"name": "${nowhere}"},
            r"'name' cannot be resolved: Interpolation key 'nowhere' not found",
        ),
        ({"optimizer": {"lr": "${nope:1}"}}, r"'optimizer.lr' cannot be resolved"),
    ],
)
def test_mistakes_name_the_full_key(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        typed({**REQUIRED, **values})


def test_missing_keys_are_listed_together() -> None:
    with pytest.raises(ConfigError, match=r"The keys 'data_path', 'steps' have no value"):
        typed({})


def test_the_file_of_a_job_is_named() -> None:
    run = {"provenance": {"config_file": "/conf/tiny.yaml"}}

    with pytest.raises(ConfigError, match=r"^/conf/tiny.yaml: Config has no key 'x'"):
        typed({**REQUIRED, "x": 1, "run": run})


def test_unknown_keys_of_models_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Model has no key 'pat'. Did you mean 'path'"):
        typed({"pat": 1}, Model)
    with pytest.raises(ConfigError, match=r"Optimizer has no key 'inner.l'"):
        typed({"path": "/x", "inner": {"l": 1}}, Model)


def test_a_secret_that_does_not_fit_is_not_shown() -> None:
    @dataclass
    class Login:
        api_key: int

    with pytest.raises(ConfigError, match=r"'api_key' is \*\*\*, but"):
        typed({"api_key": "s3cr3t-value"}, Login)


def test_a_check_of_the_class_itself() -> None:
    with pytest.raises(ConfigError, match=r"does not fit Checked: low is above high"):
        typed({"low": 2}, Checked)


def test_classes_that_are_no_configuration() -> None:
    with pytest.raises(ConfigError, match=r"int is neither a dataclass nor a pydantic model"):
        typed({}, int)
    with pytest.raises(ConfigError, match=r"annotation of Unresolvable names 'Decimal'"):
        typed({"a": 1}, Unresolvable)
