"""My net: one hidden layer, trained on a loss that forgives what lies within a tolerance.

An example of a family of your own. Try it:

    fesearch families check examples/my_net.py
    fesearch study start examples/my_net.py --trials 20
"""

import numpy as np
import torch
from torch import nn

from fesearch.arrays import Layout, check, check_finite, prefixed, section
from fesearch.family import Family, Resource
from fesearch.scaling import Scaling
from fesearch.seeds import derive
from fesearch.space import Choice, Float, Int, Space

SOURCE = "an example of fesearch"  # a paper's words, table or section, where there is one

PUBLISHED = Space(
    {
        "units": Choice((16, 64), source=SOURCE),
        "learning_rate": Choice((1e-2, 1e-3), source=SOURCE),
        "tolerance": Choice((0.0, 0.05), source=SOURCE),
    }
)
FULL = Space(
    {
        "units": Int(8, 256, log=True, source=SOURCE),
        "learning_rate": Float(1e-4, 1e-1, log=True, source=SOURCE),
        "tolerance": Float(0.0, 0.2, source=SOURCE),  # in standard deviations of the target
    }
)
BATCH = 32


def net(config, width):
    """Features (n, width) -> one output a row, (n, 1)."""
    units = config["units"]
    return nn.Sequential(nn.Linear(width, units), nn.ReLU(), nn.Linear(units, 1))


class MyLearner:
    """Trains one config; ``fesearch.family.Learner`` says what each method owes."""

    def __init__(self, config, data, seed, threads, device):
        torch.set_num_threads(threads)
        self.config, self.seed, self.device, self.epoch = config, seed, device, 0
        # Features and target to mean 0 and standard deviation 1 by the training rows alone; a
        # feature that is not a number becomes 0, its mean.
        self.scaling = Scaling.of(data.train_x, data.train_y)
        self.x = torch.from_numpy(self.scaling.features(data.train_x)).to(device)
        self.y = torch.from_numpy(self.scaling.target(data.train_y)).to(device)
        self.val_x = data.val_x
        with torch.random.fork_rng(devices=[]):  # others' random numbers stay as they were
            torch.manual_seed(derive(seed, "weights"))
            self.net = net(config, data.width).to(device)
        self.optimizer = torch.optim.SGD(self.net.parameters(), config["learning_rate"], 0.9)

    @property
    def parameters(self):
        return sum(weight.numel() for weight in self.net.parameters())

    def advance(self):
        # The order of an epoch depends on seed and epoch alone: a checkpoint needs no random state.
        draw = torch.Generator().manual_seed(derive(self.seed, "epoch", self.epoch))
        for rows in torch.randperm(len(self.y), generator=draw).split(BATCH):
            rows = rows.to(self.device)
            error = self.net(self.x[rows])[:, 0] - self.y[rows]
            beyond = torch.relu(error.abs() - self.config["tolerance"])
            loss = (beyond**2).mean()  # a loss of one's own
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.epoch += 1
        return predict(self.net, self.scaling, self.val_x, self.device)

    def model(self):
        """All that prediction needs, copied: training goes on."""
        return {**arrays_of(self.net), **prefixed(self.scaling.arrays(), "scaling.")}

    def checkpoint(self):
        """All that training needs to go on; before the first step there is no momentum yet."""
        state = self.optimizer.state_dict()["state"]
        momentum = {f"momentum.{i}": state[i]["momentum_buffer"].cpu().numpy() for i in state}
        return {**arrays_of(self.net), **momentum, "epoch": np.array(self.epoch)}

    def restore(self, checkpoint):
        momentum = section(checkpoint, "momentum.")
        check(section(checkpoint, "net."), section(layout_of(self.net), "net."), "checkpoint")
        set_arrays(self.net, checkpoint)
        state = {int(i): {"momentum_buffer": torch.tensor(a)} for i, a in momentum.items()}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.epoch = int(checkpoint["epoch"])


def arrays_of(module):
    weights = module.state_dict().items()
    return {f"net.{name}": weight.detach().cpu().numpy().copy() for name, weight in weights}


def layout_of(module):
    return {name: Layout(array.shape, array.dtype) for name, array in arrays_of(module).items()}


def set_arrays(module, arrays):
    weights = section(arrays, "net.")
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})


def predict(module, scaling, x, device):
    """Predictions (n,) in the unit of the target."""
    with torch.inference_mode():
        output = module(torch.from_numpy(scaling.features(x)).to(device))[:, 0]
    return scaling.prediction(output.cpu().numpy())


def build(config, data, *, seed, threads, device):
    return MyLearner(config, data, seed, threads, device)


def load(config, arrays, *, width, threads, device):
    """A predictor; the arrays may come from anywhere, so they are checked before they are used."""
    torch.set_num_threads(threads)
    module = net(config, width).to(device)
    weights = {name: arrays[name] for name in arrays if not name.startswith("scaling.")}
    check(weights, layout_of(module), "model")
    check_finite(weights, "model")
    set_arrays(module, weights)
    scaling = Scaling.from_arrays(section(arrays, "scaling."), width=width)
    return lambda x: predict(module, scaling, x, device)


LIMITS = Space({"units": Int(1, 4096), "learning_rate": Float(1e-9, 1.0), "tolerance": Float(0, 9)})

FAMILY = Family(
    name="my_net",
    title="My net",
    source=SOURCE,
    published=PUBLISHED,
    full=FULL,
    best={"units": 64, "learning_rate": 1e-2, "tolerance": 0.0},  # the first trial of a study
    resource=Resource(unit="epochs", step=1, maximum=100, patience=20),
    build=build,
    load=load,
    check=LIMITS.check,
    capacity="units",  # a study with little time leaves out the largest ones
    gpu=True,
)
