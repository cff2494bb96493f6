"""Outputs, losses and gradients of tiny GPTs with a task head, computed with PyTorch in float64: the oracle of the supervised tasks' tests.

The network is formula_gpt.py's. Prints JSON; `python3 task_gradients.py > fixtures/task_gradients.json`.
"""
import json

import torch

from formula_gpt import C, H, L, T, V, gradients, hidden, layout, weights

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


def run(case):
    w = weights(layout(case["post"], [("special_tokens.weight", (3, C)), ("head.weight", (case["outputs"], C)), ("head.bias", (case["outputs"],))]))
    task_losses, task_weights, language_losses, outputs = [], [], [], []
    for texts, label in zip(case["texts"], case["labels"]):
        states = []
        for ids in sequences(case["task"], texts):
            x = hidden(ids, w, case["post"], "special_tokens.weight")
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
        "gradients": gradients(w),
    }


print(json.dumps([run(case) for case in CASES]))
