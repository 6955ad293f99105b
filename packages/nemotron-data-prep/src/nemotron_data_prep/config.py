"""What a data preparation is asked to do: one typed configuration per stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

OnInvalid = Literal["stop", "skip"]
OnBadMask = Literal["stop", "drop"]
OnTemplateMismatch = Literal["stop", "drop", "keep"]
OnSpecialTokens = Literal["stop", "drop"]
OnTooLong = Literal["stop", "drop", "truncate"]
PackFormat = Literal["parquet", "npy"]
PackingAlgorithm = Literal[
    "best_fit_decreasing", "first_fit_decreasing", "first_fit_shuffle", "concatenative"
]
Retention = Literal["none", "tokenized"]
EngineName = Literal["local", "ray"]
TokenizerBackend = Literal["auto", "fast", "hf"]
ChatRenderer = Literal["auto", "jinja"]

SPLITS = ("train", "valid", "test")
SHORTEST_PACK_TOKENS = 2


@dataclass(frozen=True, kw_only=True)
class SplitRatios:
    """The share of the records that each split receives; together they make 1.

    A record's split follows from its content and the seed, so equal records never lie in two
    splits, and adding data moves no record.
    """

    train: float = 0.98
    valid: float = 0.01
    test: float = 0.01

    def __post_init__(self) -> None:
        values = (self.train, self.valid, self.test)
        if any(not 0 <= value <= 1 for value in values) or abs(sum(values) - 1) > 1e-6:  # noqa: PLR2004 - rounding
            raise ConfigError(
                f"The split ratios {values} must lie between 0 and 1 and add up to 1.",
                where="split",
                hint="For example train: 0.98, valid: 0.01, test: 0.01.",
            )
        if self.train == 0:
            raise ConfigError("The training split must not be empty.", where="split.train")


@dataclass(frozen=True, kw_only=True)
class PrepConfig:
    """What all stages share.

    Attributes:
        blend: The blend file; paths inside are relative to it.
        output_dir: Every run gets a folder of its own in here, named by the hash of its plan.
        split: Shares of the train, valid and test splits.
        seed: Changes which record goes to which split, sampling, and the order of packs.
        transform: What happens to the records of all datasets behind what the blend file says: a
            transform by name, an object with its name and options, ``module:function``, a
            function, or a list of these.
        on_invalid: ``stop`` at the first unusable record, or ``skip`` and count it by reason.
        workers: Processes; by default one per core where the data is worth it, and for text,
            where each keeps two cores busy, one per two cores.
        shard_size_bytes: Input bytes per shard, the unit of resuming; by default a 1024th of
            the input, at least 16 MiB.
        lock_timeout_s: How long to wait for another run in the same folder before refusing.
        engine: ``local`` works in processes of this machine, ``ray`` on a Ray cluster; the output
            is the same.
        ray_address: The cluster, as ``host:6379``, ``auto`` for the one that runs on this machine,
            or ``local`` for one of the run's own; by default ``$RAY_ADDRESS``, else ``local``.
    """

    blend: Path
    output_dir: Path
    split: SplitRatios = field(default_factory=SplitRatios)
    seed: int = 0
    transform: Any = None
    on_invalid: OnInvalid = "stop"
    workers: int | None = None
    shard_size_bytes: int | None = None
    lock_timeout_s: float = 0.0
    engine: EngineName = "local"
    ray_address: str | None = None

    def __post_init__(self) -> None:
        _check_choices(self)
        _require_positive("workers", self.workers)
        _require_positive("shard_size_bytes", self.shard_size_bytes)
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(
                f"The seed {self.seed} is no whole number from 0 to 2^63 - 1.", where="seed"
            )
        if self.lock_timeout_s < 0:
            raise ConfigError(f"{self.lock_timeout_s} is no waiting time.", where="lock_timeout_s")


@dataclass(frozen=True, kw_only=True)
class PretrainPrepConfig(PrepConfig):
    """Text to Megatron's ``.bin/.idx``.

    Attributes:
        tokenizer: A ``tokenizer.json``, the folder that holds it, or, as text, a model repository
            on the Hub: ``org/name``, ``hf://org/name@revision``.
        tokenizer_backend: ``auto`` uses the fast library where it is installed and gives the ids
            of ``tokenizers`` on a sample of the data, ``fast`` insists on it, ``hf`` goes without.
        eod_token: The token that ends every document; by default the tokenizer's ``eos_token``.
    """

    tokenizer: Path | str
    tokenizer_backend: TokenizerBackend = "auto"
    eod_token: str | None = None


@dataclass(frozen=True, kw_only=True)
class SftPrepConfig(PrepConfig):
    """Conversations to packed sequences with loss masks.

    Attributes:
        tokenizer: A folder with ``tokenizer.json`` and ``tokenizer_config.json``, or a model
            repository on the Hub, as for :class:`PretrainPrepConfig`.
        tokenizer_backend: As for :class:`PretrainPrepConfig`.
        chat_template: A template by name (``nano3``), a file, or Jinja source; by default the
            tokenizer's own.
        chat_renderer: ``auto`` translates the template to Python where that can be done, and
            compares what it writes with Jinja as it goes; ``jinja`` takes longer.
        template_kwargs: Values that the template reads beside messages and tools.
        template_date: The day (``2026-01-31``) that ``strftime_now`` answers in templates that
            ask for it.
        end_of_turn: The token that ends an assistant turn; by default the last special token
            that the template writes for the turn.
        pack_size: Tokens in a full pack.
        packing: The packing algorithm: ``best_fit_decreasing``, ``first_fit_decreasing``,
            ``first_fit_shuffle``, or ``concatenative``, which keeps the order of the data.
        format: ``parquet``, or ``npy`` for Megatron-Bridge before 0.4.
        on_bad_mask: ``stop`` at a loss mask that cannot be right, or ``drop`` and count.
        on_template_mismatch: ``stop`` where the template marks other text than the assistant's
            turns or leaves a part of the conversation out, ``drop`` and count, or ``keep`` and
            count.
        on_special_tokens: ``stop`` at special tokens inside message content, or ``drop`` and
            count.
        on_too_long: ``stop``, ``drop`` or ``truncate`` sequences longer than a pack.
        retention: ``tokenized`` keeps the tokenized shards beside the outputs, so that a change
            of ``pack_size``, ``packing``, ``format``, ``on_too_long``, ``split``, ``seed`` or of a
            dataset's weight packs again without tokenizing again; ``none`` leaves the output
            alone, and removes shards that were kept for it.
    """

    tokenizer: Path | str
    tokenizer_backend: TokenizerBackend = "auto"
    chat_template: str | None = None
    chat_renderer: ChatRenderer = "auto"
    template_kwargs: dict[str, Any] = field(default_factory=dict)
    template_date: str | None = None
    end_of_turn: str | None = None
    pack_size: int = 4096
    packing: PackingAlgorithm = "best_fit_decreasing"
    format: PackFormat = "parquet"
    on_bad_mask: OnBadMask = "stop"
    on_template_mismatch: OnTemplateMismatch = "stop"
    on_special_tokens: OnSpecialTokens = "stop"
    on_too_long: OnTooLong = "drop"
    retention: Retention = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pack_size < SHORTEST_PACK_TOKENS:
            raise ConfigError(
                f"A pack of {self.pack_size} tokens holds no sequence.",
                where="pack_size",
                hint="Give it the model's context length, for example 4096.",
            )


@dataclass(frozen=True, kw_only=True)
class RlPrepConfig(PrepConfig):
    """Prompts with checkable answers to NeMo-RL's JSONL."""


ConfigT = TypeVar("ConfigT", bound=PrepConfig)


def _check_choices(config: PrepConfig) -> None:
    """Refuse a word that is none of a setting's values, before anything is read."""
    for key, hint in get_type_hints(type(config)).items():
        known = get_args(hint) if get_origin(hint) is Literal else ()
        value = getattr(config, key)
        if known and value not in known:
            raise ConfigError(
                f"{value!r} is none of {', '.join(known)}.",
                where=key,
                hint=did_you_mean(str(value), known),
            )


def _require_positive(key: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(f"{value} must be at least 1.", where=key)
