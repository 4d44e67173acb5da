"""Applies the catalog's cures to a live network, in place, with a receipt that undoes them bit for bit.

    receipt = apply(model, Prescription("critical"), optimizer, batch)
    receipt.changes          # each with before and after
    receipt.undo()           # parameters, buffers, modules, hooks, optimizer: the same bits in the same objects
    receipt.as_patch()       # the same change as one self-contained function of plain PyTorch

How a family of cures is added: a file of its own in ``families/``, and nothing else in this room.

1. The cure is an entry of the catalog with ``kind="surgery"``, its settings in ``params``.
2. A function takes a ``Patient`` and is registered under the entry's name:

        @operation("critical", needs=("batch",), hooks=False)
        def critical(patient: Patient) -> None: ...

   ``needs``: what must be given (``batch``, ``optimizer``, ``loss``, ``teacher``); ``hooks=True`` where it puts hooks
   in, so that a compiled network is refused.
3. It looks (``patient.settings``, ``chosen``, ``modules``, ``network()``, and passes inside ``undisturbed``), raises
   ``patient.refuse("why, and what to do")`` where the network cannot take the cure, and then changes it by
   ``patient.do(function, *literals)`` alone, and tells it by ``patient.note(site, what, before, after)``.
4. Such a function is plain PyTorch, ``function(model, *literals)``, with ``generator``, ``teacher`` or ``optimizers``
   as further parameters where it needs them (``optimizers=()`` where it works without, as new parameters do in a patch
   that runs before the optimizer is built). It is declared by ``plain(function, *parts, imports=...)`` below its
   definition, because its source is printed in the patch as it stands: it may use ``torch``, ``nn``, ``Tensor``,
   ``F``, its declared imports and its declared parts, and no other name. Its arguments are written out by ``repr``.
   Hooks that it registers are module-level functions, never closures, so that copies and pickles of the network keep
   working; new parameters are submodules ``gm_*`` of their host, put beside the host's weight with ``join_group``.

Undoing needs no code: before the operation the network and its optimizers are noted whole (``Snapshot``), and what
differs afterwards is taken back. Noted are: classes, attributes, and every dictionary, list and set of each module and
optimizer (so hooks, parameters, submodules), groups and state of the optimizers key by key, and the bits of all
parameters, buffers and gradients. Not noted: hooks on tensors, hooks of the whole process, modules outside the network
unless ``Snapshot.watch`` is told, and schedulers. An exception inside an operation leaves the network as it was.
"""

from __future__ import annotations

from .apply import apply
from .door import cure
from .passes import Batch, undisturbed
from .patient import Patient
from .receipt import LiveReceipt
from .registry import Operation, operation, operations
from .steps import plain

__all__ = [
    "Batch",
    "LiveReceipt",
    "Operation",
    "Patient",
    "apply",
    "cure",
    "operation",
    "operations",
    "plain",
    "undisturbed",
]
