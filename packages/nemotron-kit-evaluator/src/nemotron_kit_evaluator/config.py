"""What an evaluation is: a server, or an endpoint that is there, and tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nemo_runspec.errors import ConfigError

EndpointType = Literal["chat", "completions", "completions_logprob"]


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """The server of the model, started before the first task and ended after the last.

    Attributes:
        model: The folder that it serves: looked for before the command is started.
        command: Starts it, without a shell: it answers as OpenAI's API does.
        port: Where it listens, as ``command`` tells it.
        tensor_parallel_size: Over how many GPUs it spreads the model, as ``command`` tells it.
        health: The path that answers 200 once requests can come.
        startup_timeout_s: How long that may take.
        env: Variables of its own.
    """

    model: str
    command: list[str]
    port: int = 8000
    tensor_parallel_size: int = 1
    health: str = "/health"
    startup_timeout_s: float = 1800
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """Where requests go.

    Attributes:
        url: The API's base, which ends in ``/v1``.
        model_id: What the model is called there.
        type: Which of its routes are asked, where a task does not say otherwise.
        api_key_name: The variable that holds the key, where one is needed.
        adapter_config: NeMo Evaluator's own settings of what lies between.
    """

    url: str
    model_id: str
    type: EndpointType = "chat"
    api_key_name: str | None = None
    adapter_config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """The program ``nemo-evaluator``, in whichever environment has it and its harnesses.

    Attributes:
        command: Starts it; its subcommands follow.
        env: Variables of its own.
    """

    command: list[str]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """One task of a harness.

    Attributes:
        name: As ``nemo-evaluator ls`` has it: ``TASK``, or ``HARNESS.TASK``.
        type: Which route it asks; by default the endpoint's.
        params: Its parameters, over those of all tasks.
    """

    name: str
    type: EndpointType | None = None
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """A whole evaluation.

    Attributes:
        tasks: What is run, one after the other.
        endpoint: Where the model answers.
        evaluator: What asks and scores.
        results_dir: Where each task has a folder, with what the evaluator writes.
        server: What serves the model; None where something else does.
        params: ``config.params`` of NeMo Evaluator, for every task.
    """

    tasks: list[TaskConfig]
    endpoint: EndpointConfig
    evaluator: EvaluatorConfig
    results_dir: Path
    server: ServerConfig | None = None
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what could not run, or would overwrite its own results."""
        names = [task.name for task in self.tasks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if not names:
            raise ConfigError("There is no task to run.", where="tasks")
        if twice is not None:
            raise ConfigError(f"The task {twice!r} stands there twice.", where="tasks")
        self._require_commands()

    def _require_commands(self) -> None:
        commands = {"evaluator.command": self.evaluator.command}
        if self.server is not None:
            commands["server.command"] = self.server.command
        for key, command in commands.items():
            if not command:
                raise ConfigError("The command is empty.", where=key)
