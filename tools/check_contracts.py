"""Compare what the adapters rely on in a framework's source with the snapshot that CI holds.

    python tools/check_contracts.py CHECKOUT [--revision REV] [--against NAME] [--write NAME]

``CHECKOUT`` is a folder of NeMo-RL or Megatron-Bridge: a work tree, an unpacked wheel, or, with
``--revision``, any git repository, bare ones too. Nothing is imported: names, parameters and the
order of calls are read from the syntax tree. Snapshots are in ``tests/contracts``; without
``--against`` the one of the same revision is taken, else the newest source's. The exit status is 1
where something differs.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SNAPSHOTS = Path(__file__).parents[1] / "tests" / "contracts"
NEWEST = "main"
ROOTS = ("", "src/")
USED_RECIPES = {
    f"nemotron_3_{family}_{stage}_config"
    for family in ("nano", "super")
    for stage in ("pretrain", "sft")
}
SET_FIELDS = {
    "dataset_root",
    "do_test",
    "do_validation",
    "enable_offline_packing",
    "offline_packing_specs",
    "packed_sequence_size",
    "packed_sequence_specs",
    "packed_train_data_path",
    "packed_val_data_path",
    "seq_length",
}

Contract = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """The files of one revision.

    Attributes:
        place: A folder, or a git directory.
        revision: What is read of a git repository; None for the files as they lie.
    """

    place: Path
    revision: str | None = None

    def read(self, path: str) -> str | None:
        """The text of a file, wherever the packages start; None where it is not there."""
        texts = (self._read(f"{root}{path}") for root in ROOTS)
        return next((text for text in texts if text is not None), None)

    def tree(self, path: str) -> ast.Module:
        """The syntax tree of a file; an empty one where it is not there."""
        return ast.parse(self.read(path) or "")

    def commit(self) -> dict[str, str]:
        """The commit and its date, where the source is a git repository."""
        done = self._git("log", "-1", "--format=%H %cs", self.revision or "HEAD")
        if done is None or not (self.revision or (self.place / ".git").exists()):
            return {}
        commit, date = done.split()
        return {"commit": commit, "date": date}

    def _read(self, path: str) -> str | None:
        if self.revision is not None:
            return self._git("show", f"{self.revision}:{path}")
        file = self.place / path
        return file.read_text("utf-8") if file.is_file() else None

    def _git(self, *words: str) -> str | None:
        command = ["git", "-C", str(self.place), *words]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        return done.stdout.decode() if done.returncode == 0 else None


def parameters(function: ast.FunctionDef) -> list[str]:
    """The parameters of a function: ``name``, ``name=`` with a default, ``*name``, ``**name``."""
    signature = function.args
    positional = [argument.arg for argument in (*signature.posonlyargs, *signature.args)]
    first_default = len(positional) - len(signature.defaults)
    found = [f"{name}=" if i >= first_default else name for i, name in enumerate(positional)]
    if signature.vararg:
        found.append(f"*{signature.vararg.arg}")
    elif signature.kwonlyargs:
        found.append("*")
    defaults = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    found += [f"{each.arg}=" if default else each.arg for each, default in defaults]
    return [*found, *([f"**{signature.kwarg.arg}"] if signature.kwarg else [])]


def functions(tree: ast.AST) -> dict[str, ast.FunctionDef]:
    """The functions that stand in a module or class itself."""
    return {
        node.name: node for node in getattr(tree, "body", ()) if isinstance(node, ast.FunctionDef)
    }


def classes(tree: ast.AST) -> dict[str, ast.ClassDef]:
    """The classes of a module."""
    return {node.name: node for node in getattr(tree, "body", ()) if isinstance(node, ast.ClassDef)}


def fields(node: ast.ClassDef) -> list[str]:
    """The annotated fields of a class that the adapters set, sorted."""
    named = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    return sorted(named & SET_FIELDS)


def in_order(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, in the order of the source."""
    for child in ast.iter_child_nodes(node):
        yield child
        yield from in_order(child)


def steps(function: ast.FunctionDef, methods: set[str]) -> list[str]:
    """What a method reaches of its own class, and of its arguments, in the order of the source."""
    calls = {id(node.func) for node in in_order(function) if isinstance(node, ast.Call)}
    found = []
    for node in in_order(function):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in methods:
                found.append(name)
            case ast.Name(id="wait_fn") if id(node) in calls:
                found.append("wait_fn")
    return found


def names_in(tests: Sequence[ast.expr]) -> list[str]:
    """Which of the conditions that matter stand in some tests."""
    wanted = {"is_last_rank": "last rank", "LOCAL": "kind", "get_rank_safe": "first rank"}
    found = {
        wanted[name]
        for test in tests
        for node in ast.walk(test)
        if (name := getattr(node, "id", None) or getattr(node, "attr", None)) in wanted
    }
    return sorted(found)


def finalizing(node: ast.AST, tests: tuple[ast.expr, ...] = ()) -> Iterator[dict[str, Any]]:
    """What is to be done when a save is whole, in order, and under which conditions."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Call(func=ast.Attribute(attr="add_finalize_fn"), args=[ast.Name(id=name)]):
                yield {"name": name, "only": names_in(tests)}
            case ast.If(test=test):
                yield from finalizing(child, (*tests, test))
            case _:
                yield from finalizing(child, tests)


def hook_arguments(tree: ast.AST, module: str) -> list[str]:
    """What the hook of a module is called with, by the names at the place of the call."""
    for node in in_order(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=called)) if (
                owner,
                called,
            ) == (module, "on_save_checkpoint_success"):
                given = [ast.unparse(argument) for argument in node.args]
                return [*given, *(f"{keyword.arg}=" for keyword in node.keywords)]
    return []


def assigned_texts(tree: ast.AST, name: str) -> list[str]:
    """The texts in what is assigned to a name, sorted."""
    for node in ast.walk(tree):
        target = getattr(node, "target", None) or (getattr(node, "targets", None) or [None])[0]
        if isinstance(target, ast.Name) and target.id == name and getattr(node, "value", None):
            found = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]  # type: ignore[attr-defined]
            return sorted(text for text in found if isinstance(text, str))
    return []


def texts(tree: ast.AST, part: str) -> list[str]:
    """The texts of a module, documentation apart, that contain a part."""
    found = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return sorted(text for text in found if part in text and " " not in text)


def nemo_rl(source: Source) -> Contract:
    """What the adapter relies on in NeMo-RL."""
    manager = classes(source.tree("nemo_rl/utils/checkpoint.py")).get("CheckpointManager")
    methods = functions(manager) if manager else {}
    config = source.tree("nemo_rl/utils/config.py")
    grpo = source.tree("nemo_rl/algorithms/grpo.py")
    master = classes(grpo).get("MasterConfig")
    loop = {getattr(node, "attr", "") for node in ast.walk(grpo)}
    return {
        "CheckpointManager": manager_contract(methods),
        "config": {
            name: parameters(function)
            for name, function in sorted(functions(config).items())
            if name in {"load_config", "load_config_with_inheritance", "parse_hydra_overrides"}
        },
        "resolvers": sorted(registered(config)),
        "replaces_sections": bool(texts(config, "_override_")),
        "MasterConfig": [ast.unparse(base) for base in master.bases] if master else [],
        "training_calls": sorted(loop & {"finalize_checkpoint", "begin_finalization"}),
        "convert_dcp_to_hf": [
            parameters(function)
            for name, function in functions(
                source.tree("nemo_rl/utils/native_checkpoint.py")
            ).items()
            if name == "convert_dcp_to_hf"
        ],
    }


def manager_contract(methods: dict[str, ast.FunctionDef]) -> Contract:
    """The part of a checkpoint manager that hooks and training loops meet."""
    wanted = (
        "init_tmp_checkpoint",
        "_rename_checkpoint",
        "finalize_checkpoint",
        "begin_finalization",
        "finalize_pending",
        "shutdown",
        "remove_old_checkpoints",
    )
    present = [name for name in wanted if name in methods]
    return {
        name: {
            "parameters": parameters(methods[name]),
            "steps": steps(methods[name], set(wanted)),
        }
        for name in ("__init__", *present)
        if name in methods
    }


def registered(tree: ast.AST) -> Iterator[str]:
    """The names that resolvers are registered under."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="register_new_resolver"), args=[first, *_]):
                if isinstance(first, ast.Constant):
                    yield str(first.value)


def megatron_bridge(source: Source) -> Contract:
    """What the adapter relies on in Megatron-Bridge."""
    training = "megatron/bridge/training"
    callbacks = source.tree(f"{training}/callbacks.py")
    saving = source.tree(f"{training}/checkpointing.py")
    helpers = source.tree(f"{training}/utils/checkpoint_utils.py")
    hook = functions(source.tree(f"{training}/utils/wandb_utils.py"))
    save = functions(saving).get("save_checkpoint", ast.Module(body=[], type_ignores=[]))
    called = {
        name: parameters(functions(source.tree(f"{training}/{name}.py"))[name])
        for name in ("pretrain", "finetune")
    }
    loaders = functions(source.tree("megatron/bridge/data/loaders.py"))
    recipes = source.tree("megatron/bridge/recipes/nemotronh/__init__.py")
    return {
        "events": assigned_texts(callbacks, "VALID_EVENTS"),
        "callbacks": callback_contract(callbacks),
        **called,
        "on_save_checkpoint_success": parameters(hook["on_save_checkpoint_success"]),
        "saving": {
            "finalizing": list(finalizing(save)),
            "hook_gets": hook_arguments(save, "wandb_utils"),
        },
        "names": [*texts(helpers, "checkpointed_iteration"), *texts(helpers, "iter_{")],
        "loads": sorted(
            functions(helpers).keys()
            & {"is_checkpoint_iteration_directory", "is_hf_checkpoint_dir"}
        ),
        "get_blend_and_blend_per_split": parameters(loaders["get_blend_and_blend_per_split"]),
        "packed_data": packed_contract(source),
        "recipes": sorted(USED_RECIPES.intersection(assigned_texts(recipes, "__all__"))),
        "AutoBridge": exporter_contract(
            source.tree("megatron/bridge/models/conversion/auto_bridge.py")
        ),
    }


def exporter_contract(tree: ast.AST) -> Contract:
    """The parameters of what exports checkpoints; some releases lack ``from_auto_config``."""
    bridge = classes(tree).get("AutoBridge")
    methods = functions(bridge) if bridge else {}
    wanted = ("from_hf_pretrained", "from_auto_config", "load_megatron_model", "export_ckpt")
    return {name: parameters(methods[name]) for name in wanted if name in methods}


def callback_contract(tree: ast.AST) -> Contract:
    """The parameters of what registers and fires callbacks."""
    manager = classes(tree).get("CallbackManager")
    methods = {**functions(tree), **(functions(manager) if manager else {})}
    wanted = ("add", "fire", "has_callbacks", "normalize_callbacks", "should_fire")
    return {name: parameters(methods[name]) for name in wanted if name in methods}


def packed_contract(source: Source) -> Contract:
    """Where the settings of packed data are, and their fields."""
    data = "megatron/bridge/data"
    places = {
        "PackedSequenceSpecs": (
            f"{data}/packing/config.py",
            f"{data}/datasets/packed_sequence.py",
        ),
        "GPTSFTDatasetConfig": (f"{data}/builders/gpt_sft.py",),
        "FinetuningDatasetConfig": ("megatron/bridge/training/config.py",),
    }
    found: Contract = {}
    for name, paths in places.items():
        for path in paths:
            node = classes(source.tree(path)).get(name)
            if node is not None:
                found[name] = {"file": path, "fields": fields(node)}
                break
    readers = (f"{data}/packing/parquet.py", f"{data}/datasets/packed_parquet.py")
    return {**found, "parquet": [path for path in readers if source.read(path) is not None]}


FRAMEWORKS: dict[str, tuple[str, Callable[[Source], Contract]]] = {
    "nemo-rl": ("nemo_rl/utils/checkpoint.py", nemo_rl),
    "megatron-bridge": ("megatron/bridge/training/utils/wandb_utils.py", megatron_bridge),
}


def framework_of(source: Source) -> str:
    """Which framework a checkout is of."""
    for name, (file, _) in FRAMEWORKS.items():
        if source.read(file) is not None:
            return name
    files = " nor ".join(file for file, _ in FRAMEWORKS.values())
    raise SystemExit(f"{source.place}: neither {files} is there.")


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Each place where a contract is another than the snapshot."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            place = f"{where}.{key}" if where else key
            yield from differences(expected.get(key), found.get(key), place)
    elif expected != found:
        yield f"{where}: the snapshot has {expected}, the source {found}"


def snapshot_for(framework: str, name: str) -> Path:
    """The file of a snapshot; the newest source's where there is none of that name."""
    own = SNAPSHOTS / framework / f"{name}.json"
    return own if own.is_file() else SNAPSHOTS / framework / f"{NEWEST}.json"


def say(text: str) -> None:
    """Print a line."""
    print(text)  # noqa: T201 - a script


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or write a snapshot; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--revision", help="what to read of a git repository")
    parser.add_argument("--against", help="the snapshot to compare with")
    parser.add_argument("--write", metavar="NAME", help="write a snapshot instead")
    given = parser.parse_args(arguments)
    source = Source(given.checkout, given.revision)
    framework = framework_of(source)
    contract = FRAMEWORKS[framework][1](source)
    if given.write:
        document = {"framework": framework, "release": given.write, **source.commit()}
        file = SNAPSHOTS / framework / f"{given.write}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**document, "contract": contract}, indent=1)
        file.write_text(f"{text}\n", "utf-8")
        say(f"{file} is written.")
        return 0
    file = snapshot_for(framework, given.against or given.revision or NEWEST)
    expected = json.loads(file.read_text("utf-8"))["contract"]
    found = list(differences(expected, contract))
    for line in found:
        say(line)
    say(f"{framework}: {len(found)} differences from {file.name}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
