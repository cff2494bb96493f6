"""Outputs, losses and gradients of tiny GPTs with a task head, computed with PyTorch in float64: the oracle of the supervised tasks' tests.

The network is gpt_gradients.py's, weights by the same formula; the head's and the new tokens' weights continue it from k = 100. Every sequence is computed by
itself, so that nothing is padded. Prints JSON; `python3 task_gradients.py > fixtures/task_gradients.json`.
"""
import json
import math

import torch

V, T, C, L, H = 11, 9, 8, 2, 2
START, DELIMITER, EXTRACT = V, V + 1, V + 2
A, B, D, E = [1, 5, 3], [7, 7, 10, 4, 6], [9, 2], [0]

# Each example: its sequences in words; the label.
CASES = [
    {"name": "classification", "task": "TextClassification", "post": False, "outputs": 3, "aux": 0.5, "class_weights": [1.0, 2.0, 0.5],
     "texts": [[A], [B], [D]], "labels": [2, 0, 1]},
    {"name": "classification, post-norm", "task": "TextClassification", "post": True, "outputs": 2, "aux": 0.0, "class_weights": None,
     "texts": [[A], [B]], "labels": [1, 0]},
    {"name": "entailment", "task": "TextEntailment", "post": False, "outputs": 2, "aux": 0.25, "class_weights": None,
     "texts": [[A, D], [D, A]], "labels": [1, 0]},
    {"name": "similarity", "task": "SentenceSimilarity", "post": False, "outputs": 2, "aux": 0.5, "class_weights": None,
     "texts": [[A, D], [E, B]], "labels": [0, 1]},
    {"name": "similarity, regression", "task": "SentenceSimilarity", "post": False, "outputs": 1, "aux": 0.5, "class_weights": None,
     "texts": [[A, D], [E, B]], "labels": [0.75, -2.0]},
    {"name": "multiple choice", "task": "MultipleChoice", "post": False, "outputs": 1, "aux": 0.5, "class_weights": None,
     "texts": [[A, D, E], [D, A, E]], "labels": [1, 0]},
]


def sequences(task, texts):
    if task == "TextClassification":
        return [[START] + texts[0] + [EXTRACT]]
    pair = lambda x, y: [START] + x + [DELIMITER] + y + [EXTRACT]
    if task == "TextEntailment":
        return [pair(*texts)]
    if task == "SentenceSimilarity":
        return [pair(texts[0], texts[1]), pair(texts[1], texts[0])]
    return [pair(texts[0], answer) for answer in texts[1:]]


def layout(case):
    names = [("wte.weight", (V, C)), ("wpe.weight", (T, C))]
    for i in range(L):
        h = f"h.{i}."
        names += [(h + "ln_1.weight", (C,)), (h + "ln_1.bias", (C,)),
                  (h + "attn.c_attn.weight", (C, 3 * C)), (h + "attn.c_attn.bias", (3 * C,)),
                  (h + "attn.c_proj.weight", (C, C)), (h + "attn.c_proj.bias", (C,)),
                  (h + "ln_2.weight", (C,)), (h + "ln_2.bias", (C,)),
                  (h + "mlp.c_fc.weight", (C, 4 * C)), (h + "mlp.c_fc.bias", (4 * C,)),
                  (h + "mlp.c_proj.weight", (4 * C, C)), (h + "mlp.c_proj.bias", (C,))]
    if not case["post"]:
        names += [("ln_f.weight", (C,)), ("ln_f.bias", (C,))]
    extra = [("special_tokens.weight", (3, C)), ("head.weight", (case["outputs"], C)), ("head.bias", (case["outputs"],))]
    return list(enumerate(names)) + [(100 + k, item) for k, item in enumerate(extra)]


def weights(case):
    result = {}
    for k, (name, shape) in layout(case):
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        value = 0.3 * torch.sin(0.37 * i + 1.3 * k)
        if ".ln_" in "." + name and name.endswith("weight"):
            value = value + 1.0
        result[name] = value.to(torch.float32).to(torch.float64).reshape(shape).requires_grad_()
    return result


def layer_norm(x, w, name):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]


def attention(x, w, h):
    qkv = x @ w[h + "attn.c_attn.weight"] + w[h + "attn.c_attn.bias"]
    d, out = C // H, []
    for head in range(H):
        q, k, v = (qkv[:, n * C + head * d:n * C + (head + 1) * d] for n in range(3))
        scores = q @ k.T / math.sqrt(d)
        scores = scores + torch.full_like(scores, -math.inf).triu(1)
        out.append(torch.softmax(scores, -1) @ v)
    return torch.cat(out, -1) @ w[h + "attn.c_proj.weight"] + w[h + "attn.c_proj.bias"]


def feed_forward(x, w, h):
    u = x @ w[h + "mlp.c_fc.weight"] + w[h + "mlp.c_fc.bias"]
    return 0.5 * u * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u ** 3))) @ w[h + "mlp.c_proj.weight"] + w[h + "mlp.c_proj.bias"]


def hidden(ids, w, post):
    x = torch.cat([w["wte.weight"], w["special_tokens.weight"]])[torch.tensor(ids)] + w["wpe.weight"][: len(ids)]
    for i in range(L):
        h = f"h.{i}."
        if post:
            x = layer_norm(x + attention(x, w, h), w, h + "ln_1")
            x = layer_norm(x + feed_forward(x, w, h), w, h + "ln_2")
        else:
            x = x + attention(layer_norm(x, w, h + "ln_1"), w, h)
            x = x + feed_forward(layer_norm(x, w, h + "ln_2"), w, h)
    return x if post else layer_norm(x, w, "ln_f")


def run(case):
    w = weights(case)
    task_losses, task_weights, language_losses, outputs = [], [], [], []
    for texts, label in zip(case["texts"], case["labels"]):
        states = []
        for ids in sequences(case["task"], texts):
            x = hidden(ids, w, case["post"])
            states.append(x[-1])
            log_p = torch.log_softmax(x[:-1] @ w["wte.weight"].T, -1)
            losses = [-log_p[i, ids[i + 1]] for i in range(len(ids) - 1) if ids[i + 1] < V]
            language_losses.append(sum(losses) / len(losses))
        if case["task"] == "SentenceSimilarity":
            states = [states[0] + states[1]]
        y = torch.stack(states) @ w["head.weight"].T + w["head.bias"]
        y = y.reshape(-1)
        outputs.append(y.tolist())
        if case["task"] == "SentenceSimilarity" and case["outputs"] == 1:
            task_losses.append((y[0] - label) ** 2)
            task_weights.append(1.0)
        else:
            weight = case["class_weights"][label] if case["class_weights"] else 1.0
            task_losses.append(-weight * torch.log_softmax(y, -1)[label])
            task_weights.append(weight)
    task = sum(task_losses) / sum(task_weights)
    auxiliary = sum(language_losses) / len(language_losses)
    (task + case["aux"] * auxiliary).backward()
    return {
        **case,
        "V": V, "T": T, "C": C, "L": L, "H": H,
        "head_outputs": outputs,
        "task_loss": task.item(),
        "auxiliary_loss": auxiliary.item(),
        "gradients": {name: [float(f"{v:.8e}") for v in (w[name].grad if w[name].grad is not None else torch.zeros(shape)).flatten().tolist()] for _, (name, shape) in layout(case)},
    }


print(json.dumps([run(case) for case in CASES]))
