"""What a report shows beside the way of the error: loss over the training, units, steps of the optimizer, the tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradiometer.records import Diagnosis, Run

from .groups import Group, stretches
from .plot import Spec
from .plot_data import figure_data, heat_data, loss_data, with_data
from .plot_groups import groups_chart, groups_data, groups_table
from .plot_training import share_chart, training_loss_chart, update_chart
from .report import heat_table
from .signals import Pictures
from .training import epsilon_figure, event_rows, health_figure, loss_table, share_table, update_figure
from .tree import OPEN_MOST, module_tree


def group_parts(shown: Pictures | None, groups: Sequence[Group]) -> tuple[dict[str, Any], dict[str, Spec]]:
    """The profile by groups, where there are any; else nothing."""
    if shown is None or not groups:
        return {"groups_table": None}, {}
    spec = with_data(groups_chart(shown.error, groups), groups_data(shown.error, groups))
    sites = sum(len(g.members) for g in groups)
    guilty = sum(bool(g.guilty) for g in groups)
    label = f"Error by groups of modules: {len(groups)} groups, {guilty} with a finding"
    return {"groups_table": groups_table(shown.error, groups), "groups_label": label, "group_sites": sites}, {
        "groups": spec
    }


def training_parts(
    run: Run, diagnosis: Diagnosis, shown: Pictures | None, model: str, groups: Sequence[Group]
) -> tuple[dict[str, Any], dict[str, Spec]]:
    """Context and charts (by the name of their place) of one model; without a trunk only its loss and its events."""
    charts: dict[str, Spec] = {}
    tables: dict[str, Any] = {}
    curve = run.curve(model)
    if len(curve) > 1:
        trivial = next((s.trivial for s in run.losses if s.model == model and s.trivial is not None), None)
        mine = [f for f in diagnosis.findings if f.model == model]
        events = [e for e in run.events if e.model in ("", model)]
        charts["loss"] = with_data(training_loss_chart(curve, trivial, mine, events), loss_data(curve))
        tables["loss"] = loss_table(curve)
    context: dict[str, Any] = {"training": tables, "events": event_rows(run, model), "tree": None}
    if shown is None:
        return context, charts
    health, updates, epsilon = (
        health_figure(run, shown.network),
        update_figure(run, shown.profile),
        epsilon_figure(run, shown.profile),
    )
    for name, figure in (("health", health), ("epsilon", epsilon)):
        if figure is not None:
            charts[name], tables[name] = with_data(share_chart(figure), figure_data(figure)), share_table(figure)
    if updates is not None:
        drawn = update_chart(updates, stretches(updates.axes[1].labels, shown.profile, groups))
        charts["updates"], tables["updates"] = with_data(drawn, heat_data(updates)), heat_table(updates)
    if shown.network.modules:
        context["tree"] = module_tree(run, shown.network, shown.profile)
        context["tree_open"] = len(shown.network.modules) <= OPEN_MOST
    return context, charts
