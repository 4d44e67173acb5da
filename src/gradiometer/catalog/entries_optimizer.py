"""Cures that exchange the optimizer, or the length of its steps layer by layer."""

from __future__ import annotations

from .entry import Entry, Param

STATE = "twice the memory of the weights for its state"
RATE = "that stands for what the script gave; 0 keeps the script's own"
SYMPTOM = "acts on the steps alone: an error that has died on its way stays dead"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="adam",
        kind="surgery",
        title="Adam",
        changes="the optimizer's step; object, groups and scheduler stay",
        mathematics="ΔW = −η m/(√v + ε): each weight moves by about η, however small its gradient is beside others",
        answers={"lr-too-low": 21},
        side_effects=SYMPTOM + "; noise is amplified where the gradient is small",
        source="Kingma and Ba 2015; theory, section 6",
        edit="optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)",
        cost=STATE,
        params=(Param("lr", 0.001, RATE),),
    ),
    Entry(
        name="adamw",
        kind="surgery",
        title="AdamW",
        changes="the optimizer's step and its weight decay; object, groups and scheduler stay",
        mathematics="as Adam; W ← (1 − ηλ) W beside the step, not inside the gradient",
        answers={"lr-too-low": 22},
        side_effects=SYMPTOM,
        source="Loshchilov and Hutter 2019",
        edit="optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)",
        cost=STATE,
        params=(Param("lr", 0.001, RATE), Param("decay", 0.01, "weight decay λ")),
    ),
    Entry(
        name="rmsprop",
        kind="surgery",
        title="RMSprop",
        changes="the optimizer's step; object, groups and scheduler stay",
        mathematics="ΔW = −η g/(√v + ε), v a running mean of g²",
        answers={"lr-too-low": 23},
        side_effects=SYMPTOM,
        source="Tieleman and Hinton 2012",
        edit="optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)",
        cost="the memory of the weights for its state",
        params=(Param("lr", 0.001, RATE),),
    ),
    Entry(
        name="adagrad",
        kind="surgery",
        title="Adagrad",
        changes="the optimizer's step; object, groups and scheduler stay",
        mathematics="ΔW = −η g/√(Σ g²): rates fall as 1/√t",
        answers={"lr-too-low": 24},
        side_effects=SYMPTOM + "; slows down with every step",
        source="Duchi 2011",
        edit="optimizer = torch.optim.Adagrad(model.parameters(), lr=1e-2)",
        cost="the memory of the weights for its state",
        params=(Param("lr", 0.01, RATE),),
    ),
    Entry(
        name="momentum",
        kind="surgery",
        title="SGD with momentum",
        changes="the optimizer's step; object, groups and scheduler stay",
        mathematics="ΔW_t = μ ΔW_{t−1} − η g: steps that agree add up to 1/(1 − μ) times their length",
        answers={"lr-too-low": 25},
        side_effects="acts like a rate 1/(1 − μ) times as high",
        source="Polyak 1964; Sutskever 2013",
        edit="optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)",
        cost="the memory of the weights for its state",
        params=(Param("lr", 0.0, RATE), Param("momentum", 0.9, "μ")),
    ),
    Entry(
        name="layerwise-rate",
        kind="surgery",
        title="one relative step for all layers",
        changes="the length of each layer's step",
        mathematics="‖ΔW‖ = r ‖W‖ in every layer, in the direction that the optimizer chose: all learn in 1/r steps",
        answers={"lr-too-low": 26},
        side_effects=SYMPTOM + ": its direction may be noise",
        source="You 2017 (LARS), You 2020 (LAMB)",
        edit="after optimizer.step(): p.copy_(old + (p - old) * rate * old.norm() / (p - old).norm())   # for matrices",
        cost="a copy of the weights, and two norms of each, a step",
        params=(Param("rate", 0.001, "r, at the rate that the script gave; a scheduler scales it"),),
    ),
)
