#!/usr/bin/env python3
"""Makes vectors.json: webhooks signed, or judged, by the gateways' own libraries.

    python3 -m venv target/vectors && target/vectors/bin/pip install -r gateways/tests/vectors/requirements.txt
    target/vectors/bin/python gateways/tests/vectors/make_vectors.py

Always the same vectors for the same versions. The tests read the file alone and need no Python.
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import random
from importlib.metadata import version

import Adyen.util
import razorpay
import stripe
from mollie.utils.webhooks.signature_validator import InvalidSignatureException, SignatureValidator
from phonepe.sdk.pg.common.utils.hash_utils import is_callback_valid
from square.utils.webhooks_helper import verify_signature
from standardwebhooks.webhooks import Webhook

RNG = random.Random(20_261_121)
AT = 1_700_000_000
URL = "https://tickets.example.org/webhooks/square"
EACH = 30


def text(longest):
    letters = "abcXYZ019 _-.:|&=%\\\"'{}[]/äßक₹漢😀\t\n"
    return "".join(RNG.choice(letters) for _ in range(RNG.randrange(1, longest)))


def secret():
    return "".join(RNG.choice("abcdefghjkmnpqrstuvwxyzABCDEFGH0123456789_-+/") for _ in range(RNG.randrange(8, 60)))


def body():
    document = {"id": f"evt_{RNG.randrange(1 << 40)}", "type": "nothing.of.interest", "data": {text(12): text(200) for _ in range(4)}}
    return json.dumps(document, ensure_ascii=RNG.random() < 0.5, indent=RNG.choice([None, 2]))


def touched(value):
    place = RNG.randrange(len(value))
    return value[:place] + RNG.choice("abc0 ") + value[place + 1 :]


def stripe_vector(good):
    key, sent = secret(), body()
    header = stripe.WebhookSignature.generate_signature_header(sent, "whsec_" + key, AT)
    if not good:
        sent = touched(sent)
    try:
        accepted = stripe.WebhookSignature.verify_header(sent, header, "whsec_" + key)
    except stripe.SignatureVerificationError:
        accepted = False
    return {}, "whsec_" + key, {"stripe-signature": header}, sent, accepted


def standard_vector(good):
    raw = RNG.randbytes(RNG.randrange(24, 65))
    key = base64.b64encode(raw).decode()
    key = RNG.choice(["whsec_" + key, key])
    sent, message = body(), f"msg_{RNG.randrange(1 << 40)}"
    signature = Webhook(key).sign(message, datetime.datetime.fromtimestamp(AT, datetime.UTC), sent)
    if not good:
        sent = touched(sent)
    accepted = signature == Webhook(key).sign(message, datetime.datetime.fromtimestamp(AT, datetime.UTC), sent)
    headers = {"webhook-id": message, "webhook-timestamp": str(AT), "webhook-signature": f"v0,none {signature}"}
    return {}, key, headers, sent, accepted


def square_vector(good):
    key, sent = secret(), body()
    mac = hmac.digest(key.encode(), (URL + sent).encode(), hashlib.sha256)
    header = base64.b64encode(mac).decode()
    if not good:
        sent = touched(sent)
    accepted = verify_signature(request_body=sent, signature_header=header, signature_key=key, notification_url=URL)
    return {"webhook_url": URL}, key, {"x-square-hmacsha256-signature": header}, sent, accepted


def mollie_vector(good):
    key, sent = secret(), json.dumps({"resource": "event", "id": f"event_{RNG.randrange(1 << 40)}", "type": "profile.created", "note": text(200)})
    header = "sha256=" + SignatureValidator.create_signature(sent, key)
    if not good:
        header = "sha256=" + SignatureValidator.create_signature(sent, key + "x")
    try:
        accepted = SignatureValidator.validate(sent, key, header)
    except InvalidSignatureException:
        accepted = False
    return {}, key, {"x-mollie-signature": header}, sent, accepted


def phonepe_vector(good):
    user, password = secret(), text(30).strip() or "p"
    shown = hashlib.sha256(f"{user}:{password}".encode()).hexdigest()
    if not good:
        shown = hashlib.sha256(f"{user}:{password}.".encode()).hexdigest()
    accepted = is_callback_valid(user, password, shown)
    return {}, f"{user}:{password}", {"authorization": shown}, json.dumps({"event": "nothing", "payload": {}}), accepted


def razorpay_vector(good):
    key, sent = secret(), json.dumps({"entity": "event", "event": "nothing.of.interest", "note": text(200)})
    mac = hmac.new(key.encode(), sent.encode(), hashlib.sha256).hexdigest()
    if not good:
        sent = touched(sent)
    try:
        accepted = razorpay.Utility().verify_webhook_signature(sent, mac, key)
    except razorpay.errors.SignatureVerificationError:
        accepted = False
    return {}, key, {"x-razorpay-signature": mac, "x-razorpay-event-id": f"ev{RNG.randrange(1 << 40)}"}, sent, accepted


def adyen_vector(good):
    key = RNG.randbytes(32).hex().upper()
    item = {
        "pspReference": str(RNG.randrange(10**15, 10**16)),
        "originalReference": RNG.choice(["", str(RNG.randrange(10**15, 10**16))]),
        "merchantAccountCode": "TestMerchant",
        "merchantReference": f"Order-{RNG.randrange(1 << 40)}",
        "amount": {"value": RNG.randrange(1_000_000), "currency": RNG.choice(["EUR", "JPY", "KWD"])},
        "eventCode": "REPORT_AVAILABLE",
        "success": RNG.choice(["true", "false"]),
    }
    signature = Adyen.util.generate_notification_sig(item, key).decode()
    if not good:
        item["amount"]["value"] += 1
    sent = {"live": "false", "notificationItems": [{"NotificationRequestItem": {**item, "additionalData": {"hmacSignature": signature}}}]}
    accepted = Adyen.util.is_valid_hmac_notification(sent, key)
    return {}, key, {}, json.dumps(sent), accepted


SIGNERS = [
    ("stripe", "stripe", stripe_vector),
    ("standard_webhooks", "standardwebhooks", standard_vector),
    ("square", "squareup", square_vector),
    ("mollie", "mollie-api-py", mollie_vector),
    ("phonepe", "phonepe-pg-sdk-python", phonepe_vector),
    ("razorpay", "razorpay", razorpay_vector),
    ("adyen", "Adyen", adyen_vector),
]


def main():
    vectors = []
    for gateway, package, make in SIGNERS:
        for number in range(EACH):
            config, key, headers, sent, accepted = make(number % 3 != 0)
            vectors.append(
                {
                    "signer": f"{package} {version(package)}",
                    "gateway": gateway,
                    "config": config,
                    "secret": key,
                    "at": AT,
                    "headers": headers,
                    "body": sent,
                    "accepted": bool(accepted),
                }
            )
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    pathlib.Path(__file__).with_name("vectors.json").write_text(f"[\n{lines}\n]\n")


main()
