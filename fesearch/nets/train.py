"""Training of a network for one target, from tensors held in the memory of its device."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fesearch.arrays import Arrays, Layout, broken, check, check_finite, prefixed, section
from fesearch.errors import InputError, counted
from fesearch.nets import generators
from fesearch.nets.config import complete, epochs
from fesearch.nets.graph import stepping
from fesearch.nets.optimizer import STATE, Optimizer
from fesearch.nets.precision import compute_in_fp32
from fesearch.nets.schedule import Schedule
from fesearch.nets.step import Loss, Step, Stepping
from fesearch.nets.whole import Whole
from fesearch.scaling import Scaling
from fesearch.seeds import derive
from fesearch.space import Config
from fesearch.split import Development

CHUNK = 8192
"""Rows predicted at once; fixed, since sums in other chunks may differ in the last bit."""

_LOSSES: Mapping[str, Loss] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


class NetLearner:
    """One network in training; a resource step is an epoch. Implements ``family.Learner``.

    The random numbers of an epoch depend on the seed and the epoch alone, so a checkpoint holds
    random state only where it is made within an epoch, at a pause after a batch: see
    ``family.Pausing``. The generators of the process are left as they were.

    Args:
        make: builds the module: scaled features (n, d) -> outputs (n,).
        config: loss, optimizer, learning_rate, batch_size, precision and so on.
        data: training and validation rows.
        seed: of initial weights, order of rows and dropout.
        threads: for all of torch in this process: it has no setting of its own for a module.
        device: "cpu" or "cuda"; the data go there once.
        standardise: features by the training rows; without, the network takes them as they are.

    Raises:
        InputError: fewer than two training rows.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        config: Config,
        data: Development,
        *,
        seed: int,
        threads: int,
        device: str,
        standardise: bool = True,
    ) -> None:
        if len(data.train_y) < 2:
            raise InputError(
                f"The training part has {counted(len(data.train_y), 'row')}.",
                "Train on two rows or more.",
            )
        torch.set_num_threads(threads)
        self._config = complete(config)
        self._seed = seed
        self._device = torch.device(device)
        if self._device.type == "cuda":
            compute_in_fp32()
        with _seeded(self._device, seed, "weights"):
            self.net = make().to(self._device)
        self._optimizer = Optimizer(
            str(self._config["optimizer"]),
            self.net.parameters(),
            decay=float(self._config["weight_decay"]),  # type: ignore[arg-type]
            momentum=float(self._config.get("momentum") or 0.0),
        )
        self._loss = _LOSSES[str(self._config["loss"])]
        self.batch_size = int(self._config["batch_size"])  # type: ignore[arg-type]
        self._rate = float(self._config["learning_rate"])  # type: ignore[arg-type]
        self._schedule = Schedule(str(self._config["schedule"]), epochs(self._config))
        output = self._config.get("output_activation")
        self._scaling = Scaling.of(
            data.train_x,
            data.train_y,
            output,  # type: ignore[arg-type]
            standardise=standardise,
        )
        self._data, self._width = data, data.width
        self._epoch = 0
        self._batch = 0  # of the epoch's batches, those that are done
        self._drawn: Arrays = {}  # where generators stood at the pause that is to be gone on from
        self._look: Callable[[], None] = lambda: None
        self._released = False

    @property
    def parameters(self) -> int:
        """Trained numbers: weights, biases, and the two of batch norm a unit."""
        return sum(weight.numel() for weight in self.net.parameters())

    @cached_property
    def _rows(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Training features, target and validation features, scaled and on the device."""
        arrays = (
            self._scaling.features(self._data.train_x),
            self._scaling.target(self._data.train_y),
            self._scaling.features(self._data.val_x),
        )
        x, y, val_x = (torch.from_numpy(array).to(self._device) for array in arrays)
        return x, y, val_x

    @cached_property
    def steps(self) -> Stepping:
        """How it trains a batch; it holds the rows."""
        x, y, _ = self._rows
        size = min(self.batch_size, len(y))
        lasts = 1 if self._released else epochs(self._config) or 1  # epochs, until it is let go of
        return stepping(
            Step(self.net, self._optimizer, self._loss, x, y, str(self._config["precision"])),
            str(self._config["optimizer"]),
            size=size,
            planned=len(y) // size * lasts,
        )

    def release(self) -> None:
        """See ``family.Releasing``."""
        self._released = True
        vars(self).pop("_rows", None)
        vars(self).pop("steps", None)

    def on_pause(self, look: Callable[[], None]) -> None:
        """See ``family.Pausing``; a pause is after each batch."""
        self._look = look

    def advance(self) -> np.ndarray:
        """Train one epoch; predictions (n_val,) float64 after it."""
        _, y, val_x = self._rows
        self.net.train()
        with _seeded(self._device, self._seed, "epoch", self._epoch), self.steps.running():
            order = batches(torch.randperm(len(y)).to(self._device), self.batch_size)
            generators.go_on(self._drawn, self._device)
            self._drawn = {}
            for step, rows in enumerate(order[self._batch :], start=self._batch):
                self.steps(rows, self._rate * self._schedule.at(self._epoch, step / len(order)))
                self._batch = step + 1
                self._look()
        self._epoch, self._batch = self._epoch + 1, 0
        predictions = self._scaling.prediction(_outputs(self.net, val_x))
        self._schedule.seen(float(np.mean(np.abs(predictions - self._data.val_y))))
        return predictions

    def model(self) -> Arrays:
        """Copies of weights and batch-norm statistics, and the scaling."""
        return {
            **prefixed(_numpy(self.net.state_dict()), "net."),
            **prefixed(self._scaling.arrays(), "scaling."),
        }

    def checkpoint(self) -> Arrays:
        """The net, the optimizer's state of each weight, and the number of epochs.

        At a pause the number of batches too, and where the generators stand.
        """
        within = {
            "batch": np.array(self._batch, np.int64),
            **prefixed(self._drawn or generators.states(self._device), "random."),
        }
        return {
            **prefixed(_numpy(self.net.state_dict()), "net."),
            **prefixed(_numpy(self._optimizer.state()), "optimizer."),
            **prefixed(self._schedule.arrays(), "schedule."),
            "epoch": np.array(self._epoch, np.int64),
            "features": np.array(self._width, np.int64),
            **(within if self._batch else {}),
        }

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint of the same config and data, bit for bit on a CPU.

        Raises:
            InputError: it is not a checkpoint of this config.
        """
        schedule, drawn = section(checkpoint, "schedule."), section(checkpoint, "random.")
        apart = ("schedule.", "random.")
        rest = {name: checkpoint[name] for name in checkpoint if not name.startswith(apart)}
        number = Layout((), np.dtype(np.int64))
        expected = {**_net_layout(self.net), "epoch": number, "features": number}
        within = "batch" in rest
        if within:
            expected["batch"] = number
        if within or int(rest.get("epoch", np.zeros(())).max(initial=0)) > 0:
            expected |= self._optimizer_layout()
        check(rest, expected, "checkpoint")
        if rest["features"] != self._width:
            raise broken(f"The checkpoint is of {rest['features']} features a row.")
        if within:
            self._check_batch(int(rest["batch"]))
        generators.check_states(drawn, within=within)
        self._schedule.restore(schedule)
        self.net.load_state_dict(_tensors(section(checkpoint, "net.")))
        self._optimizer.restore(_tensors(section(checkpoint, "optimizer.")))
        vars(self).pop("steps", None)  # a graph writes into the optimizer's state of before
        self._epoch = int(checkpoint["epoch"])
        self._batch, self._drawn = int(rest["batch"]) if within else 0, drawn

    def _check_batch(self, done: int) -> None:
        count = len(batches(torch.arange(len(self._data.train_y)), self.batch_size))
        if not 1 <= done <= count:
            raise broken(f"The checkpoint is after batch {done} of an epoch of {count}.")

    def _optimizer_layout(self) -> dict[str, Layout]:
        names = STATE[str(self._config["optimizer"])]
        number = np.dtype(np.float32)
        return {
            f"optimizer.{index}.{name}": Layout(() if name == "step" else weight.shape, number)
            for index, weight in enumerate(self.net.parameters())
            for name in names
        }


class NetPredictor:
    """A trained network. Implements ``family.Predictor``.

    Args:
        make: builds the module; it is called on torch's "meta" device, where it takes no memory,
            so that the arrays are checked before anything of the config's size is allocated.
        arrays: what ``NetLearner.model`` gave.
        width: number of features.

    Raises:
        InputError: the arrays are not a model of this config and width, or no model at all: a
            number is not finite, a variance below zero.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        arrays: Arrays,
        *,
        width: int,
        threads: int,
        device: str,
    ) -> None:
        torch.set_num_threads(threads)
        if torch.device(device).type == "cuda":
            compute_in_fp32()
        with torch.device("meta"):
            self.net = make()
        weights = {name: arrays[name] for name in arrays if not name.startswith("scaling.")}
        check(weights, _net_layout(self.net), "model")
        check_finite(weights, "model")
        _check_variances(weights)
        self._scaling = Scaling.from_arrays(section(arrays, "scaling."), width=width)
        self.net.load_state_dict(_tensors(section(weights, "net.")), assign=True)
        self.net.to(device)
        self._device = device

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64 for features (n, d)."""
        scaled = torch.from_numpy(self._scaling.features(x)).to(self._device)
        return self._scaling.prediction(_outputs(self.net, scaled))

    def whole(self) -> nn.Module:
        """The network with its scaling as one module; see ``program.Portable``."""
        return Whole(self.net, self._scaling).to(self._device)


def batches(order: torch.Tensor, size: int) -> list[torch.Tensor]:
    """The rows of ``order`` in batches of ``size``; fewer than a quarter join the batch before.

    Batch norm has no variance over one row and a poor one over a few, yet their step is as long.
    """
    found = list(torch.split(order, size))
    if len(found) > 1 and len(found[-1]) < max(2, size / 4):
        found[-2:] = [torch.cat(found[-2:])]
    return found


def _outputs(net: nn.Module, x: torch.Tensor) -> np.ndarray:
    net.eval()
    with torch.inference_mode():
        found: np.ndarray = torch.cat([net(rows) for rows in torch.split(x, CHUNK)]).cpu().numpy()
    return found


@contextmanager
def _seeded(device: torch.device, seed: int, *names: str | int) -> Iterator[None]:
    """Torch's generators seeded inside, and as before outside."""
    stream = derive(seed, *names)
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(stream)
        if on_gpu:
            torch.cuda.manual_seed(stream)
        yield


def _check_variances(weights: Arrays) -> None:
    """Refuse what batch norm would take the square root of, and make NaN."""
    for name, array in weights.items():
        if name.endswith(".running_var") and (array < 0).any():
            raise broken(f"The array '{name}' of the model has a variance below zero.")


def _net_layout(net: nn.Module) -> dict[str, Layout]:
    return {
        f"net.{name}": Layout(tuple(value.shape), torch.empty((), dtype=value.dtype).numpy().dtype)
        for name, value in net.state_dict().items()
    }


def _numpy(tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().numpy().copy() for name, value in tensors.items()}


def _tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array) for name, array in arrays.items()}
