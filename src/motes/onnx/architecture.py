"""`Architecture`: how the models of one class become ONNX graphs, and run on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from motes.models.base import PointModel
from motes.onnx.files import Graphs

FREE = torch.export.Dim.AUTO

Inputs = dict[str, Tensor | list[Tensor]]
Axes = dict[str, dict[int, Any] | list[dict[int, Any]]]


@dataclass(frozen=True)
class Graph:
    """One graph before it is exported.

    Attributes:
        module: A pure function of tensors.
        inputs: Examples by name; a list stands for several inputs.
        free: Per input the axes that may have any length.
        outputs: Names of the outputs.
    """

    module: nn.Module
    inputs: Inputs
    free: Axes
    outputs: list[str]

    @staticmethod
    def of(module: nn.Module, names: str, inputs: Inputs, free: Axes, outputs: list[str]) -> Graph:
        """A graph that takes some of the inputs, by their names, separated by spaces."""
        chosen = {name: inputs[name] for name in names.split()}
        return Graph(module, chosen, {name: free[name] for name in chosen}, outputs)

    @property
    def input_names(self) -> list[str]:
        """Names of all inputs: ``levels`` are ``level0``, ``level1``, ..."""
        flat: list[str] = []
        for key, value in self.inputs.items():
            many = isinstance(value, list)
            flat += numbered(key.removesuffix("s"), len(value)) if many else [key]
        return flat


@dataclass(frozen=True)
class Architecture:
    """How the models of a class are exported and loaded.

    Attributes:
        model: The class.
        config: Class of its configuration.
        graphs: From a model to its graphs by name.
        describe: From a model to what a program must know to use the graphs.
        load: From a configuration and a folder to a model that runs on the graphs.
    """

    model: type[PointModel]
    config: type
    graphs: Callable[[Any], dict[str, Graph]]
    describe: Callable[[Any], dict[str, Any]]
    load: Callable[[Any, Path, int | None], PointModel]


class TensorGraphs:
    """`Graphs` for tensors, by default with as many threads as torch has."""

    def __init__(self, folder: Path, names: Iterable[str], threads: int | None) -> None:
        self.graphs = Graphs(folder, names, threads or torch.get_num_threads())

    def run(self, name: str, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run a graph; see `Graphs.run`."""
        arrays = [v.detach().contiguous().numpy() for v in inputs]
        return [torch.from_numpy(v) for v in self.graphs.run(name, arrays)]


def without_weights(model: PointModel, folder: Path, names: Iterable[str]) -> None:
    """Free the memory of modules that graphs replace, and identify the model by its graphs.

    Args:
        model: With random weights.
        folder: With the graphs.
        names: Of the graphs.
    """
    for parameter in model.parameters():
        parameter.data = parameter.new_zeros(1).expand(parameter.shape)
    digest = hashlib.sha256()
    for name in sorted(names):
        for file in sorted(folder.glob(f"{name}.onnx*")):  # large weights lie in a second file
            digest.update(file.read_bytes())
    model.register_buffer("graphs_digest", torch.tensor(list(digest.digest()), dtype=torch.uint8))


def numbered(kind: str, count: int) -> list[str]:
    """Names of the tensors of a list: level0, level1, ..."""
    return [f"{kind}{number}" for number in range(count)]
