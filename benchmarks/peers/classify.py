"""Peers of the classify benchmark.

  classify.py bow --data FILE          a bag-of-words logistic regression, its features and regularisation chosen by cross-validation
  classify.py throughput --data FILE   a GPT with a linear head in PyTorch eager: texts per second

FILE is JSON: {"train": [[class, text], ...], "test": [[class, text], ...]}, or {"shape": {...}, "sequences": [[id, ...], ...]}.
Ends with one line of JSON.
"""
import argparse
import collections
import json
import math
import os
import re
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))


# ---- bag of words

def words(text):
    whole = [word.lower() for word in re.findall(r"\w+", text)]
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)]
    return whole, parts


def features(text, kind):
    whole, parts = words(text)
    found = set(whole) | {"p_" + part for part in parts}
    if kind != "words":
        found |= {a + " " + b for a, b in zip(parts, parts[1:])}
    if kind == "words, pairs, characters":
        lowered = " " + text.lower() + " "
        found |= {"c_" + lowered[i:i + n] for n in (3, 4, 5) for i in range(len(lowered) - n + 1)}
    return found


class Bags:
    """Binary term frequencies times inverse document frequency, each row of length 1."""

    def __init__(self, texts, kind):
        self.kind = kind
        found = [features(text, kind) for text in texts]
        frequency = collections.Counter(term for row in found for term in row)
        self.places = {term: i for i, term in enumerate(frequency)}
        self.idf = numpy.array([math.log((1 + len(texts)) / (1 + frequency[term])) + 1 for term in self.places], dtype=numpy.float32)

    def matrix(self, texts):
        rows = numpy.zeros((len(texts), len(self.places)), dtype=numpy.float32)
        for row, text in zip(rows, texts):
            at = [self.places[term] for term in features(text, self.kind) if term in self.places]
            row[at] = self.idf[at]
        return torch.tensor(rows / numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def fit(x, y, classes, c):
    """Multinomial logistic regression: sum of the cross-entropies + |W|² / 2C, by L-BFGS to convergence."""
    weight, bias = torch.zeros(x.shape[1], classes, requires_grad=True), torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = functional.cross_entropy(x @ weight + bias, y, reduction="sum") + (weight ** 2).sum() / (2 * c)
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach(), bias.detach()


def accuracy(bags, model, texts, labels):
    right = 0
    for i in range(0, len(texts), 500):
        predicted = (bags.matrix(texts[i:i + 500]) @ model[0] + model[1]).argmax(1)
        right += (predicted == labels[i:i + 500]).sum().item()
    return right / len(texts)


def bow(data):
    train_y, test_y = (torch.tensor([label for label, _ in data[name]]) for name in ("train", "test"))
    train, test = ([text for _, text in data[name]] for name in ("train", "test"))
    classes = int(train_y.max()) + 1
    fold = torch.tensor([i % 5 for i in numpy.random.default_rng(0).permutation(len(train))])
    scores = {}
    for kind in ("words", "words, pairs", "words, pairs, characters"):
        for k in range(5):
            inside = [i for i in range(len(train)) if fold[i] != k]
            outside = [i for i in range(len(train)) if fold[i] == k]
            bags = Bags([train[i] for i in inside], kind)
            x = bags.matrix([train[i] for i in inside])
            for c in (1, 10, 100):
                model = fit(x, train_y[inside], classes, c)
                scores.setdefault((kind, c), []).append(accuracy(bags, model, [train[i] for i in outside], train_y[outside]))
    kind, c = max(scores, key=lambda choice: sum(scores[choice]))
    bags = Bags(train, kind)
    model = fit(bags.matrix(train), train_y, classes, c)
    return {"accuracy": accuracy(bags, model, test, test_y), "features": kind, "c": c, "cross_validation": sum(scores[kind, c]) / 5}


# ---- throughput

class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(c, 2))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.c_out(functional.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Classifier(nn.Module):
    def __init__(self, vocabulary, context, width, layers, heads, classes):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, ids, lengths):
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return torch.softmax(self.head(self.ln_f(x)[torch.arange(len(ids)), lengths - 1]), -1)


def throughput(data):
    """The batches that ours has, the longest sequence of each first."""
    model = Classifier(**data["shape"]).eval()
    batches = []
    for sequences in data["batches"]:
        ids = torch.zeros(len(sequences), len(sequences[0]), dtype=torch.int64)
        for row, sequence in zip(ids, sequences):
            row[: len(sequence)] = torch.tensor(sequence)
        batches.append((ids, torch.tensor([len(sequence) for sequence in sequences])))
    times = []
    with torch.inference_mode():
        for _ in range(4):
            start = time.perf_counter()
            for ids, lengths in batches:
                model(ids, lengths)
            times.append(time.perf_counter() - start)
    return {"texts_per_second": sum(len(ids) for ids, _ in batches) / sorted(times[1:])[1], "torch": torch.__version__}


parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["bow", "throughput"])
parser.add_argument("--data", required=True)
arguments = parser.parse_args()
with open(arguments.data, encoding="utf-8") as file:
    content = json.load(file)
print(json.dumps(bow(content) if arguments.what == "bow" else throughput(content)))
