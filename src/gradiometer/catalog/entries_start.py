"""Cures by a better start or a second source of error: pre-training, teachers, auxiliary losses. Edits of the code."""

from __future__ import annotations

from .entry import Entry

DEPTH = "depth-without-skip"

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
        title="knowledge distillation",
        changes="the loss: soft targets of a teacher beside the labels",
        mathematics="T² KL(softmax(teacher/T) ‖ softmax(student/T)): more bits an example",
        answers={DEPTH: 45},
        side_effects="needs a trained teacher; the error still goes through every hop, and fades where it faded",
        source="Hinton 2015",
        edit="loss + T**2 * F.kl_div(F.log_softmax(out / T, 1), F.softmax(teacher(x) / T, 1), reduction='batchmean')",
    ),
    Entry(
        name="hints",
        title="hints from a teacher's middle layers",
        changes="the loss: a student's middle layer is drawn toward a teacher's",
        mathematics="‖teacher_m(x) − R student_m(x)‖²: a fresh error enters at the middle, half the way from the input",
        answers={DEPTH: 44},
        side_effects="needs a teacher, and a linear map R where widths differ; below it the error fades as before",
        source="Romero 2015 (FitNets)",
        edit="first train student_m by F.mse_loss(regressor(student_m(x)), teacher_m(x)), then the whole",
    ),
)
