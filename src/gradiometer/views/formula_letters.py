"""The letters of a formula in a terminal: what stands for a macro in Unicode and in ASCII, and which scripts exist."""

from __future__ import annotations

from types import MappingProxyType

_GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "varepsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "varphi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Upsilon": "Υ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
}
_SIGNS = {  # macro: (Unicode, ASCII)
    r"\top": ("ᵀ", "T"),
    r"\odot": ("⊙", ".*"),
    r"\cdot": ("·", "*"),
    r"\ast": ("∗", "(*)"),
    r"\circ": ("∘", "o"),
    r"\times": ("×", "x"),
    r"\leq": ("≤", "<="),
    r"\le": ("≤", "<="),
    r"\geq": ("≥", ">="),
    r"\ge": ("≥", ">="),
    r"\neq": ("≠", "!="),
    r"\lt": ("<", "<"),
    r"\gt": (">", ">"),
    r"\approx": ("≈", "~"),
    r"\in": ("∈", "in"),
    r"\pm": ("±", "+-"),
    r"\to": ("→", "->"),
    r"\rightarrow": ("→", "->"),
    r"\leftarrow": ("←", "<-"),
    r"\sum": ("Σ", "sum"),
    r"\prod": ("Π", "prod"),
    r"\partial": ("∂", "d"),
    r"\nabla": ("∇", "grad "),
    r"\infty": ("∞", "inf"),
    r"\ldots": ("…", "..."),
    r"\dots": ("…", "..."),
    r"\langle": ("⟨", "<"),
    r"\rangle": ("⟩", ">"),
    r"\{": ("{", "{"),
    r"\}": ("}", "}"),
    r"\|": ("‖", "||"),
    "-": ("−", "-"),
    "*": ("∗", "*"),
    "/": ("/", "/"),
}
UNICODE_LETTERS = MappingProxyType({f"\\{k}": v for k, v in _GREEK.items()} | {k: v[0] for k, v in _SIGNS.items()})
ASCII_LETTERS = MappingProxyType(
    {f"\\{k}": k.removeprefix("var") for k in _GREEK}
    | {v: k for k, v in _GREEK.items()}
    | {k: v[1] for k, v in _SIGNS.items()}
    | {r"\Delta": "Delta "}
)

OPERATORS = frozenset(
    {"+", "-", "−", "=", "<", ">", "*", ":"}
    | {r"\odot", r"\cdot", r"\ast", r"\circ", r"\times", r"\pm", r"\approx", r"\in", r"\lt", r"\gt"}
    | {r"\leq", r"\le", r"\geq", r"\ge", r"\neq", r"\to", r"\rightarrow", r"\leftarrow"}
)
OPENING = frozenset({"(", "[", r"\langle", r"\{"})
CLOSING = frozenset({")", "]", r"\rangle", r"\}"})
SPACES = frozenset({r"\ ", r"\,", r"\;", r"\:", r"\!", "~", r"\quad", r"\qquad", "&", r"\\"})
WORDS = frozenset({r"\mathrm", r"\operatorname", r"\text", r"\mathbf", r"\mathit", r"\mathcal", r"\mathbb"})
ACCENTS = MappingProxyType({r"\bar": "\u0304", r"\hat": "\u0302", r"\tilde": "\u0303"})

SUBSCRIPTS = MappingProxyType(
    dict(zip("0123456789+−-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))
    | dict(zip("aehijklmnoprstuvx", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
    | {"β": "ᵦ", "γ": "ᵧ", "ρ": "ᵨ", "φ": "ᵩ", "χ": "ᵪ", ",": ",", " ": ""}
)
SUPERSCRIPTS = MappingProxyType(
    dict(zip("0123456789+−-=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾", strict=True))
    | dict(zip("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True))
    | {"T": "ᵀ", "ᵀ": "ᵀ", "′": "′", " ": ""}
)
"""Letters that a terminal can raise; Unicode has no raised q."""
