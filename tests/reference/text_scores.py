"""Embeddings, likelihoods of answers, few-shot prompts and corpus perplexity of small GPTs, in float64: an implementation of its own over gpt_reference.py.

The tokenizer is one token a character, in the order of code points, then end-of-text, so that tokens can be written down without a library.

    python3 text_scores.py > fixtures/text_scores.json
"""
import json
import math

import numpy as np

import gpt_reference as gpt

ALPHABET = sorted("abcdefghijklmnopqrstuvwxyz .!?:\n")
END = len(ALPHABET)
CASE = {"name": "letters", "V": END + 1, "T": 48, "C": 24, "L": 2, "H": 2, "F": 96, "post": False, "band": None}
W = gpt.weights(CASE)


def encode(text):
    return [ALPHABET.index(character) for character in text]


def log_probabilities(ids):
    """ln p of ids[1:] given what stands before each."""
    logits = gpt.logits(np.array(ids[:-1]), W, CASE)
    shifted = logits - logits.max(-1, keepdims=True)
    table = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return [float(table[i, token]) for i, token in enumerate(ids[1:])]


def likelihood(context, continuation):
    """ln p(continuation | context). Spaces at the context's end go to the continuation; too long a context loses its beginning."""
    kept = context.rstrip()
    continuation = context[len(kept):] + continuation
    whole, head = encode(kept + continuation), encode(kept)
    tail = whole[len(head):]
    ids = ((head or [END]) + tail)[-(CASE["T"] + 1):]
    return sum(log_probabilities(ids)[-len(tail):])


def embedding(text):
    states = gpt.hidden_states(np.array(encode(text) or [END]), W, CASE)
    return {"text": text, "mean": states.mean(0).tolist(), "last": states[-1].tolist()}


def few_shot(examples, question):
    return "".join(f"q: {q}\na: {a}\n\n" for q, a in examples) + f"q: {question}\na:"


def rolling(text):
    """Every token once: the first window after end-of-text, later ones after what fits before them, at least one token."""
    tokens, size = encode(text), CASE["T"]
    if not tokens:
        return 0.0
    first = min(size, len(tokens))
    total, at = sum(log_probabilities([END] + tokens[:first])), first
    while at < len(tokens):
        end = min(at + size, len(tokens))
        total += sum(log_probabilities(tokens[max(end - size - 1, 0):end])[-(end - at):])
        at = end
    return total


def main():
    choices = [" yes", " no", " maybe so"]
    questions = ["is it cold?", "can you see the river? ", "is this a long question that alone takes more than the whole context has?", ""]
    scored = []
    for context in questions:
        scored.append({
            "context": context,
            "choices": choices,
            "conditional": [likelihood(context, choice) for choice in choices],
            "unconditional": [likelihood("a:", choice) for choice in choices],
        })
    examples = [["is a cat big?", "no"], ["is a sea big?", "yes"]]
    prompts = []
    for count in range(3):
        prompt = few_shot(examples[:count], "is it cold?")
        prompts.append({"count": count, "prompt": prompt, "scores": [likelihood(prompt, choice) for choice in choices]})
    corpus = ["the cat sees the river.", "", "a much longer text than the context of this small model has room for at once, so that windows are needed to score it all. is it not?".replace(",", "")]
    print(json.dumps({
        "alphabet": "".join(ALPHABET), "case": CASE,
        "embeddings": [embedding(text) for text in ["hello world", "", "a", "is it cold?"]],
        "choices": scored, "few_shot": {"examples": examples, "prompts": prompts},
        "corpus": [{"text": text, "log_likelihood": rolling(text), "tokens": len(text), "bytes": len(text.encode())} for text in corpus],
    }, separators=(",", ":")))


if __name__ == "__main__":
    main()
