"""Formulas as datasets and policies write them, for tests of ways to read and compare them."""

from hypothesis import strategies as st

integers = st.integers(0, 99).map(str)
decimals = st.tuples(st.integers(0, 99), st.integers(0, 999)).map("{0[0]}.{0[1]}".format)
letters = st.sampled_from("xynabk")


def _grow(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(r"\frac{{{0[0]}}}{{{0[1]}}}".format),
        pair.map(r"\dfrac{{{0[0]}}}{{{0[1]}}}".format),
        pair.map("{0[0]}+{0[1]}".format),
        pair.map("{0[0]}-{0[1]}".format),
        pair.map("{0[0]}{0[1]}".format),
        pair.map(r"{0[0]} \cdot {0[1]}".format),
        pair.map("({0[0]}, {0[1]})".format),
        pair.map(r"\{{{0[0]},{0[1]}\}}".format),
        inner.map(r"\sqrt{{{}}}".format),
        inner.map("-{}".format),
        st.tuples(inner, st.integers(0, 3)).map("({0[0]})^{0[1]}".format),
        st.tuples(inner, st.integers(0, 3)).map("{0[0]}^{{{0[1]}}}".format),
    )


plain = integers | decimals | letters | st.just(r"\pi")
expressions = st.recursive(plain, _grow, max_leaves=4)

endings = st.sampled_from(["", "", "", r"\%", "%", r"^\circ", " cm", r"\text{ m}", "."])
equations = st.sampled_from(["", "", "", "x=", "y = 2 = "])
bodies = st.tuples(equations, expressions, endings).map("".join)
WRAPPINGS = (
    "{}",
    "${}$",
    "$${}$$",
    r"\boxed{{{}}}",
    r"$\boxed{{{}}}$",
    r"\({}\)",
    r"\[{}\]",
    "The answer is ${}$.",
    "answer: {}",
    "final answer is ${}$. I hope it is correct",
    "{} and ${}$",
    "${}$ or ${}$",
)
wrapped = st.builds(
    lambda wrapping, body, other: wrapping.format(body, other),
    st.sampled_from(WRAPPINGS),
    bodies,
    bodies,
)
marks = st.sampled_from(
    [
        *"0123456789xye+-*/^(){}[],;=<>$%|!\\",
        *("$$", " ", "\n", "1,000", "007", ".5", "cm", "and", "or", "\u0663", "\u00b2"),
        *(r"\frac", r"\sqrt", r"\boxed", r"\pi", r"\left(", r"\right)", r"\{", r"\}", r"\times"),
        # The long s is an s to patterns that ignore case.
        *("answer", "Answer", "an\u017fwer", "final answer is"),
    ]
)
formulas = wrapped | st.lists(marks, max_size=8).map("".join)

fractions = st.tuples(st.integers(0, 999), st.integers(1, 99)) | st.tuples(
    st.integers(0, 10**9 - 1), st.integers(1, 10**9 - 1)
)
numerals = st.one_of(
    st.integers(-999, 999).map(str),
    st.integers(1 - 10**9, 10**9 - 1).map(str),
    st.decimals(-99, 99, places=2).map(str),
    st.decimals(0, 9, places=6).map(str),
    fractions.map(r"\frac{{{0[0]}}}{{{0[1]}}}".format),
    fractions.map(r"\tfrac{{{0[0]}}}{{{0[1]}}}".format),
    fractions.map("{0[0]}/{0[1]}".format),
    fractions.map(lambda pair: f"{pair[0] / pair[1]:.6f}"),
    fractions.map(lambda pair: f"{pair[0] / pair[1]:.3f}"),
    st.sampled_from(["0.5", "1/2", "0.50", "2/4", "-0", "0.0", "007", "3.", "+4", "1,000", "1e3"]),
)
numbers = st.builds(
    lambda wrapping, numeral, ending: wrapping.format(numeral + ending),
    st.sampled_from(WRAPPINGS[:5]),
    numerals,
    st.sampled_from(["", "", "", r"^\circ", r"^{\circ}", " "]),
)


def _signed(terms):
    return st.lists(terms, min_size=1, max_size=4).flatmap(
        lambda found: st.tuples(*(st.sampled_from("+-") for _ in found)).map(
            lambda signs: "".join(map("".join, zip(signs, found, strict=True))).removeprefix("+")
        )
    )


coefficients = st.sampled_from(["0", "1", "2", "7", "60", "9999", "987654321"])
maybe = st.just("") | coefficients
roots = st.sampled_from(["0", "1", "3", "12", "907"]).map(r"\sqrt{{{}}}".format)
symbols = st.just(r"\pi") | roots
simple_letters = st.sampled_from("xynab")
powers = st.sampled_from(["", "^2", "^{3}", "^6"])
simple_terms = st.one_of(
    coefficients,
    st.builds("{}{}{}".format, maybe, simple_letters, powers),
    st.builds("{}{}".format, maybe, symbols),
    st.builds(
        "{}({}{}{}){}".format, maybe, simple_letters, st.sampled_from("+-"), coefficients, powers
    ),
    st.builds(
        r"\{}frac{{{}{}}}{{{}}}".format,
        st.sampled_from(["", "d"]),
        maybe,
        symbols,
        st.sampled_from(["1", "6", "907"]),
    ),
)
simple_sums = st.builds(str.format, st.sampled_from(WRAPPINGS[1:5]), _signed(simple_terms))
# As they are, and with a piece that makes them anything but simple.
sums = st.builds(
    lambda text, old, new: text.replace(old, new, 1),
    simple_sums,
    st.sampled_from(["1", "2", "x", "+", "^2", "}", "$"]),
    st.sampled_from(["", "k", "^23", "0", "{", ",", ".5", "xy", "=", r"\%", " "]),
)


def _rooted(factor, root, under):
    return st.sampled_from(
        [
            rf"{factor}\sqrt{{{root}}}",
            rf"\sqrt{{{factor**2 * root}}}",
            rf"-\sqrt{{{factor**2 * root}}}",
            rf"\frac{{{factor * under}\sqrt{{{root}}}}}{{{under}}}",
            rf"\tfrac{{\sqrt{{{(factor * under) ** 2 * root}}}}}{{{under}}}",
        ]
    )


multiples_of_roots = st.builds(
    str.format,
    st.sampled_from(WRAPPINGS[1:5]),
    st.builds(
        _rooted, st.sampled_from([0, 1, 2, 575]), st.sampled_from([0, 2, 3, 907]), st.integers(1, 9)
    ).flatmap(lambda texts: texts),
)
few = st.integers(-3, 3).map(str)
elements = few | few | few | numerals | letters
sets = st.builds(
    lambda wrapping, found, comma: wrapping.format(rf"\{{{comma.join(found)}\}}"),
    st.sampled_from(WRAPPINGS[:5]),
    st.lists(elements, min_size=1, max_size=3),
    st.sampled_from([",", ", ", " ,"]),
)
