"""Losses and choices over logits that are products, as text in the graph dialect, each with a reference in NumPy. Logits are
x [N, width] times the rows of w [V, width]; a variant is (text, reference from f64 arrays)."""

import numpy as np
from attention_models import INF, Text


def logits(t, width, element="f32"):
    x, w = t.input("x", "N", width, element=element), t.input("w", "V", width, element=element)
    return t.contract("nd,vd->nv", x, w)


def biased_logits(t, width):
    s = logits(t, width)
    return t.map("add", s, t.broadcast(t.input("b", "V"), [1], s[1]))


def at_label(t, value, labels):
    """The element of each row at its label, as a sum; 0 where there is none."""
    here = t.add(f"graph.compare eq {t.position(value, 1)[0]}, {t.broadcast(labels, [0], value[1])[0]} : "
                 f"{t.type(value[1], 'si32')}", value[1], "i1")
    chosen = t.map("select", here, value, t.number(0, value))
    return t.reduce("sum", chosen, 1)


def log_softmax(t, s, axis=1):
    return t.add(f"graph.log_softmax {s[0]}, axes = [{axis}] : {t.type(s[1], s[2])}", s[1], s[2])


def logs(s):
    m = s.max(1, keepdims=True, initial=-INF)
    return s - m - np.log(np.exp(s - m).sum(1, keepdims=True))


def picked(values, labels):
    """values[n, labels[n]], 0 where that is no column."""
    columns = np.arange(values.shape[1])
    return np.where(columns[None] == labels[:, None], values, 0).sum(1)


def products(a):
    return a["x"] @ a["w"].T


def biased(a):
    return products(a) + a["b"]


# Each label is below V / 2 where the text names it `labels`; -1 is no label.

def cross_entropy(width):
    t = Text()
    s = biased_logits(t, width)
    labels = t.input("labels", "N", element="si32")
    return t.text(t.map("neg", at_label(t, log_softmax(t, s), labels))), lambda a: -picked(logs(biased(a)), a["labels"])


def cross_entropy64(width):
    t = Text()
    s = logits(t, width, "f64")
    labels = t.input("labels", "N", element="si32")
    return t.text(t.map("neg", at_label(t, log_softmax(t, s), labels))), lambda a: -picked(logs(products(a)), a["labels"])


def capped(width):
    """Logits between -c and c."""
    t = Text()
    s = logits(t, width)
    s = t.map("mul", t.map("tanh", t.map("div", s, t.number(5, s))), t.number(5, s))
    labels = t.input("labels", "N", element="si32")
    return t.text(at_label(t, log_softmax(t, s), labels)), \
        lambda a: picked(logs(5 * np.tanh(products(a) / 5)), a["labels"])


def log_sum_exp(width):
    """The composite, whose shift knows infinities; the loss is the difference, and its square keeps logits small."""
    t = Text()
    s = biased_logits(t, width)
    labels = t.input("labels", "N", element="si32")
    total = t.add(f"graph.logsumexp {s[0]}, axes = [1] : {t.type(s[1])} -> {t.type(['N'])}", ["N"])
    loss = t.map("add", t.map("sub", total, at_label(t, s, labels)), t.map("mul", total, total))

    def reference(a):
        totals = np.log(np.exp(biased(a)).sum(1))
        return totals - picked(biased(a), a["labels"]) + totals ** 2
    return t.text(loss), reference


def soft_labels(width):
    t = Text()
    s = biased_logits(t, width)
    target = t.input("t", "N", "V")
    return t.text(t.reduce("sum", t.map("mul", target, log_softmax(t, s)), 1)), \
        lambda a: (a["t"] * logs(biased(a))).sum(1)


def soft_labels_as_product(width):
    t = Text()
    s = biased_logits(t, width)
    return t.text(t.contract("nv,nv->n", log_softmax(t, s), t.input("t", "N", "V"))), \
        lambda a: (a["t"] * logs(biased(a))).sum(1)


def smoothed(width):
    """0.9 at the label, 0.1 for all together: two sums of the same logarithms."""
    t = Text()
    p = log_softmax(t, biased_logits(t, width))
    labels = t.input("labels", "N", element="si32")
    here, everywhere = at_label(t, p, labels), t.reduce("sum", p, 1)
    loss = t.map("add", t.map("mul", here, t.number(0.9, here)), t.map("mul", everywhere, t.number(0.001, everywhere)))
    return t.text(loss), lambda a: 0.9 * picked(logs(biased(a)), a["labels"]) + 0.001 * logs(biased(a)).sum(1)


def divergence(width):
    """Kullback-Leibler: sum t (log t - log p)."""
    t = Text()
    p = log_softmax(t, biased_logits(t, width))
    target = t.map("abs", t.input("t", "N", "V"))
    terms = t.map("mul", t.map("sub", t.map("log", target), p), target)
    return t.text(t.reduce("sum", terms, 1)), \
        lambda a: (np.abs(a["t"]) * (np.log(np.abs(a["t"])) - logs(biased(a)))).sum(1)


def on_diagonal(t, p, axis):
    here = t.add(f"graph.compare eq {t.position(p, 0)[0]}, {t.position(p, 1)[0]} : {t.type(p[1], 'si32')}", p[1], "i1")
    return t.reduce("sum", t.map("select", here, p, t.number(0, p)), axis)


def info_nce(width):
    """Each row belongs to the row of its own number."""
    t = Text()
    s = logits(t, width)
    s = t.map("mul", s, t.number(0.7, s))
    return t.text(on_diagonal(t, log_softmax(t, s), 1)), lambda a: picked(logs(0.7 * products(a)), np.arange(len(a["x"])))


def both_sides(width):
    """Rows among columns and columns among rows: the same scaled logits along either axis."""
    t = Text()
    s = logits(t, width)
    s = t.map("mul", s, t.number(0.7, s))
    return t.text(on_diagonal(t, log_softmax(t, s), 1), on_diagonal(t, log_softmax(t, s, 0), 0)), in_both


def both_sides_transposed(width):
    """The same, spelled with the logits of the one side as the transposed ones of the other."""
    t = Text()
    s = logits(t, width)
    s = t.map("mul", s, t.number(0.7, s))
    other = t.add(f"graph.transpose {s[0]}, perm = [1, 0] : {t.type(s[1], s[2])} -> {t.type(s[1][::-1], s[2])}", s[1][::-1], s[2])
    return t.text(on_diagonal(t, log_softmax(t, s), 1), on_diagonal(t, log_softmax(t, other), 1)), in_both


def in_both(a):
    s = 0.7 * products(a)
    return picked(logs(s), np.arange(s.shape[0])), picked(logs(s.T), np.arange(s.shape[1]))


def place(t, kind, s, last=False, element="si64"):
    return t.add(f"graph.arg_reduce {kind} {s[0]}, axis = 1{' select_last' if last else ''} : {t.type(s[1], s[2])} -> "
                 f"{t.type(['N'], element)}", ["N"], element)


def largest(width):
    t = Text()
    s = biased_logits(t, width)
    return t.text(place(t, "max", s), t.reduce("max", s, 1)), lambda a: (biased(a).argmax(1), biased(a).max(1))


def last_of_the_largest(width):
    t = Text()
    s = logits(t, width)
    return t.text(place(t, "max", s, last=True, element="si32")), \
        lambda a: products(a).shape[1] - 1 - products(a)[:, ::-1].argmax(1)


def nearest(width):
    """The row of w that is nearest to x: |w|^2 - 2 x w."""
    t = Text()
    s = logits(t, width)
    s = t.map("sub", t.broadcast(t.input("b", "V"), [1], s[1]), t.map("mul", s, t.number(2, s)))
    return t.text(place(t, "min", s)), lambda a: (a["b"] - 2 * products(a)).argmin(1)


def confidence(width):
    """The most probable class and its probability."""
    t = Text()
    s = logits(t, width)
    p, total = t.weights(s)
    probability = t.map("div", t.number(1, total), total)
    return t.text(place(t, "max", s), probability), \
        lambda a: (products(a).argmax(1), np.exp(logs(products(a))).max(1))


LOSSES = [cross_entropy, cross_entropy64, capped, log_sum_exp, soft_labels, soft_labels_as_product, smoothed, divergence, info_nce]
BOTH_SIDES = [both_sides, both_sides_transposed]
CHOICES = [largest, last_of_the_largest, nearest, confidence]
