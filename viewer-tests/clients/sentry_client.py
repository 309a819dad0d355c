"""A known pair of events from Sentry's SDK for Python, as its users get it: an exception with
its cause, behind a breadcrumb, with tags and a user; and a message. Prints the events' ids as
JSON; an envelope that is not taken ends it with 1."""

import argparse
import json
import logging
import sys

import sentry_sdk
from sentry_sdk.transport import HttpTransport

refused = []


class CheckedTransport(HttpTransport):
    """Notes what gets lost: the SDK itself never tells."""

    def record_lost_event(self, reason, *arguments, **options):
        refused.append(reason)
        super().record_lost_event(reason, *arguments, **options)


class PaymentDeclined(Exception):
    pass


def charge(card):
    limit = {"visa": 100}
    try:
        return limit[card]
    except KeyError as cause:
        raise PaymentDeclined(f"card {card} was declined") from cause


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    arguments = parser.parse_args()

    sentry_sdk.init(
        dsn=arguments.dsn,
        release="shop@1.2.3",
        environment="test",
        server_name="till-1",
        transport=CheckedTransport,
        shutdown_timeout=10,
    )
    sentry_sdk.set_tag("channel", "web")
    sentry_sdk.set_user({"id": "ada", "ip_address": "10.0.0.1"})
    sentry_sdk.add_breadcrumb(
        category="cart", message="an article was added", level="info", data={"article": 7}
    )
    logging.getLogger("shop").warning("the basket is old")
    try:
        charge("diners")
    except PaymentDeclined as error:
        exception = sentry_sdk.capture_exception(error)
    message = sentry_sdk.capture_message("the till was closed", level="warning")
    sentry_sdk.flush(timeout=10)
    if refused or not exception or not message:
        sys.exit(f"not all events were taken: {refused}")
    print(json.dumps({"exception": exception, "message": message}))


if __name__ == "__main__":
    main()
