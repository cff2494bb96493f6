"""onnx.checker over packages of ONNX's basic operators, and onnx's reference evaluator on their graphs.

  check_onnx.py --cases cases.json

cases.json: a list of {"name", "model": path, "inputs": {name: {"shape", "values"}}, "logits": numbers}; inputs are int64, and a past without positions is float32.
Ends with one line of JSON: {"onnx": version, "cases": [{"name", "accepted": bool, "message", "difference": the largest of a logit}]}.
"""
import argparse
import json

import numpy
import onnx
from onnx.reference import ReferenceEvaluator

parser = argparse.ArgumentParser()
parser.add_argument("--cases", required=True)
with open(parser.parse_args().cases, encoding="utf-8") as file:
    cases = json.load(file)
results = []
for case in cases:
    try:
        onnx.checker.check_model(case["model"], full_check=True)
    except onnx.checker.ValidationError as error:
        results.append({"name": case["name"], "accepted": False, "message": str(error), "difference": None})
        continue
    feeds = {name: numpy.array(value["values"], numpy.int64 if value["values"] else numpy.float32).reshape(value["shape"]) for name, value in case["inputs"].items()}
    logits = ReferenceEvaluator(case["model"]).run(["logits"], feeds)[0]
    difference = numpy.abs(logits.ravel() - numpy.array(case["logits"])).max()
    results.append({"name": case["name"], "accepted": True, "message": "", "difference": float(difference)})
print(json.dumps({"onnx": onnx.__version__, "cases": results}))
