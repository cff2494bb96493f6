"""Byte-level BPE vocabularies trained the plainest way: the oracle of the trainer's tests.

Every step counts all pairs of all words from scratch and merges the most frequent; of equally frequent pairs the one with the lower
ids, the left id first. GPT-2's pre-tokenization pattern runs over a string of character classes, so that it needs Python's own
`re` only. Prints JSON; `python3 bpe_training.py > fixtures/bpe_training.json`.
"""
import json
import re
import sys
import unicodedata
from collections import Counter

END = "<|endoftext|>"
WHITE_SPACE = set("\t\n\v\f\r\x85") | {chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Zs", "Zl", "Zp")}
CONTRACTIONS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d")
# L letter, N number, O other, S white space, '_' the space U+0020
CLASSES = re.compile(r"_?L+|_?N+|_?O+|[S_]+(?![LNO])|[S_]+")


def character_class(c):
    if c == " ":
        return "_"
    if c in WHITE_SPACE:
        return "S"
    return {"L": "L", "N": "N"}.get(unicodedata.category(c)[0], "O")


def words(text):
    classes = "".join(map(character_class, text))
    position = 0
    while position < len(text):
        match = CONTRACTIONS.match(text, position) or CLASSES.match(classes, position)
        yield text[position:match.end()]
        position = match.end()


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {b: chr(b) for b in printable}
    for b in range(256):
        if b not in alphabet:
            alphabet[b] = chr(256 + len(alphabet) - len(printable))
    return alphabet


ALPHABET = byte_alphabet()


def train(texts, vocabulary_size, minimum_frequency, special_tokens):
    tokens = special_tokens + sorted(ALPHABET.values())
    ids = {token: i for i, token in enumerate(tokens)}
    counts = Counter(word for text in texts for word in words(text))
    sequences = [([ids[ALPHABET[b]] for b in word.encode()], count) for word, count in counts.items()]
    merges = []
    while len(tokens) < vocabulary_size:
        pairs = Counter()
        for sequence, count in sequences:
            for pair in zip(sequence, sequence[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < minimum_frequency:
            break
        token = tokens[best[0]] + tokens[best[1]]
        assert token not in ids, token
        ids[token] = len(tokens)
        merges.append([tokens[best[0]], tokens[best[1]]])
        tokens.append(token)
        for sequence, _ in sequences:
            i = 0
            while i + 1 < len(sequence):
                if (sequence[i], sequence[i + 1]) == best:
                    sequence[i:i + 2] = [ids[token]]
                i += 1
    return tokens, merges


ENGLISH = [
    "The pre-tokenizer cuts the text into words, and the trainer merges the pairs in those words.\n",
    "They're cut where it's said: don't, we've, I'm, she'll, he'd; but not DON'T, and not 'twas.\n",
    "Numbers such as 1, 12, 123 and 2026 are words too; so are symbols... and runs of dashes ------.\n",
    "    Indented lines\n\tand tabs  and double  spaces   end with   \n\n\n",
]
UNICODE = [
    "Grüße aus Köln, déjà vu, naïve café, Ελληνικά, Русский текст, עברית, العربية, हिन्दी, ไทย.",
    "日本語の文章。中文文本。한국어 문장. 𠀀𠀁漢字𠀀𠀁 𝐀𝐁𝐂 𝟏𝟐𝟑 Ⅷ ½ ² ٣٤٥",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 e\u0301 n\u0303 Z\u0351\u036b\u0343 \u200b\u2028\u3000\xa0\x85end\r\nCRLF\r\n\r\n",
    "\u0000\u0001\u007f\ufeff\ufffd\U0010ffff",
]
CASES = [
    {"name": "equally frequent pairs", "texts": ["ab cd ef ba dc fe", "zy zy ab yz", "bca cab abc"], "vocabulary_size": 400, "minimum_frequency": 1, "special_tokens": [END]},
    {"name": "runs of one character", "texts": ["a aa aaa aaaa aaaaa aaaaaa aaaaaaa " + "a" * 61, " " * 37 + "b" + "=" * 80 + "\n" * 9], "vocabulary_size": 400, "minimum_frequency": 1, "special_tokens": [END]},
    {"name": "English", "texts": ENGLISH, "vocabulary_size": 380, "minimum_frequency": 2, "special_tokens": [END]},
    {"name": "many scripts", "texts": UNICODE + ENGLISH, "vocabulary_size": 600, "minimum_frequency": 1, "special_tokens": [END]},
    {"name": "pairs run out", "texts": ["low lower lowest low low", "new newer newest"], "vocabulary_size": 5000, "minimum_frequency": 1, "special_tokens": [END]},
    {"name": "a minimum frequency ends it", "texts": ["low lower lowest low low", "new newer newest"], "vocabulary_size": 5000, "minimum_frequency": 3, "special_tokens": [END]},
    {"name": "several special tokens, which are text in the texts", "texts": ["<|user|>hello<|endoftext|>hello<|user|>"] * 3, "vocabulary_size": 300, "minimum_frequency": 2, "special_tokens": ["<|user|>", END, "<|pad|>"]},
]

for case in CASES:
    case["tokens"], case["merges"] = train(case["texts"], case["vocabulary_size"], case["minimum_frequency"], case["special_tokens"])

json.dump(CASES, sys.stdout, indent=1)
print()
