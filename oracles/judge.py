"""Answers questions about signatures with official Python SDKs: one JSON object a line in, one a line out.

A body is hexadecimal, because bytes that are no text have to reach the SDK unchanged too.
"""

import importlib
import importlib.machinery
import importlib.util
import json
import sys


def slack_verifier(question):
    module = importlib.import_module("slack_sdk.signature")
    return module.SignatureVerifier(question["secret"])


def slack_sign(question):
    return slack_verifier(question).generate_signature(
        timestamp=question["timestamp"], body=bytes.fromhex(question["body"])
    )


def slack_verify(question):
    return slack_verifier(question).is_valid_request(bytes.fromhex(question["body"]), question["headers"])


def standardwebhooks_verify(question):
    module = importlib.import_module("standardwebhooks.webhooks")
    module.Webhook(question["secret"]).verify(bytes.fromhex(question["body"]), question["headers"], json_parse=False)
    return True


def svix_verify(question):
    # The package brings an HTTP client along, which its webhooks do without: only their module is loaded.
    package = importlib.machinery.PathFinder.find_spec("svix")
    if package is None:
        raise ModuleNotFoundError("no svix", name="svix")
    path = f"{package.submodule_search_locations[0]}/webhooks.py"
    spec = importlib.util.spec_from_file_location("svix_webhooks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Webhook(question["secret"]).verify(bytes.fromhex(question["body"]), question["headers"])
    return True


# What an SDK throws over outside input is its way to say no.
ANSWERS = {
    "slack.sign": (slack_sign, False),
    "slack.verify": (slack_verify, True),
    "standardwebhooks.verify": (standardwebhooks_verify, True),
    "svix.verify": (svix_verify, True),
}


def answer(question):
    answer_with, throwing_is_no = ANSWERS[question["ask"]]
    try:
        return {"value": answer_with(question)}
    except ModuleNotFoundError as error:
        return {"absent": error.name.partition(".")[0]}
    except Exception as error:  # noqa: BLE001 - an SDK may throw anything
        return {"value": False} if throwing_is_no else {"error": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
