"""Cures by a better start or a second source of error: pre-training, teachers, auxiliary losses."""

from __future__ import annotations

from .entry import Entry, Param

DEPTH = "depth-without-skip"
TEACHER = Param(
    "teacher", "", "package.module:function that gives the trained network; in Python teacher= takes the network itself"
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="pretrain-layers",
        title="greedy layer-wise pre-training",
        changes="the weights from which the whole network starts",
        mathematics="layer l is trained with a head of its own, one hop from its loss; then all together",
        answers={DEPTH: 41},
        side_effects="a training of its own for each layer; what remains deep is trained through all hops in the end",
        source="Bengio 2007",
        edit="for l in layers: train l and a fresh nn.Linear head on what the frozen layers below it put out",
    ),
    Entry(
        name="pretrain-autoencoder",
        title="layer-wise autoencoders",
        changes="the weights from which the whole network starts",
        mathematics="layer l learns to give back its own input: ‖x − W'φ(Wx)‖², without labels and without depth",
        answers={DEPTH: 42},
        side_effects="a training of its own for each layer, no labels needed; where inputs collapse on the way up, the "
        "upper layers have little to give back",
        source="Hinton 2006; Bengio 2007",
        edit="for l in layers: minimise F.mse_loss(decoder(l(x)), x) on what the layers below put out",
    ),
    Entry(
        name="pretrained-weights",
        title="weights of a trained network",
        changes="the weights, by name and shape",
        mathematics="starts inside the basin of a solution, where the early layers have little to learn",
        answers={DEPTH: 43},
        side_effects="only where such a network exists; its inputs must be scaled as they were when it was trained",
        source="Erhan 2010",
        edit="model.load_state_dict(safetensors.torch.load_file(path), strict=False)   # and look at what is missing",
    ),
    Entry(
        name="distil",
        kind="surgery",
        title="knowledge distillation",
        changes="the error: the distance to a teacher's outputs joins the loss, in training",
        mathematics="T² KL(softmax(teacher/T) ‖ softmax(student/T)): more bits an example; E (s − t)² beside an MSE",
        answers={DEPTH: 45},
        side_effects="needs a trained teacher; the error still goes through every hop, and fades where it faded; the "
        "printed loss stays that of the targets alone",
        source="Hinton 2015",
        edit="loss + T**2 * F.kl_div(F.log_softmax(out / T, 1), F.softmax(teacher(x) / T, 1), reduction='batchmean')",
        cost="one forward pass of the teacher a step",
        params=(Param("weight", 1.0, "of the teacher's term"), Param("temperature", 2.0, "T"), TEACHER),
    ),
    Entry(
        name="hints",
        kind="surgery",
        title="hints from a teacher's middle layers",
        changes="the error: a middle layer is drawn toward a teacher's at the same share of the depth, in training",
        mathematics="E (t_m − R s_m)²/Var t_m: a fresh error enters at the middle, half the way from the input",
        answers={DEPTH: 44},
        side_effects="needs a trained teacher; below the hint the error fades as before; the map R learns along; "
        "the printed loss stays that of the targets alone",
        source="Romero 2015 (FitNets)",
        edit="loss + F.mse_loss(regressor(student_m(x)), teacher_m(x)) / teacher_m(x).var()",
        cost="one forward pass of the teacher and one linear map a hint, in training only",
        params=(
            Param("weight", 1.0, "of the hints' mean loss"),
            Param("layers", 1, "n: hints at the shares 1/(n + 1), 2/(n + 1), ... of the depth"),
            TEACHER,
        ),
    ),
)
