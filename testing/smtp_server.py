"""A mail server for tests: STARTTLS, TLS from the start, or neither; with logins.

    smtp_server.py FOLDER

FOLDER holds `crt` and `key`. The ports go to FOLDER/ports, and every message, taken apart by
Python's own parser, as a line of JSON to FOLDER/messages.
"""

import email
import email.policy
import json
import os
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

USER = LoginPassword(b"fanfare", b"s3cret-of-mail")


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data == USER, handled=False)


class Handler:
    """Takes messages; some local parts stand for recipients who are refused."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "messages")
        self.lock = threading.Lock()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown"):
            return "550 5.1.1 no such user"
        if address.startswith("full"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content().replace("\r\n", "\n")
                 for part in message.walk() if not part.is_multipart()}
        seen = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "login": session.authenticated,
            "headers": {name: str(value) for name, value in message.items()},
            "defects": [str(defect) for part in message.walk() for defect in part.defects],
            "parts": parts,
        }
        with self.lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(seen) + "\n")
        if "refuse the text" in parts.get("text/plain", ""):
            return "554 5.6.0 not with this text"
        return "250 2.0.0 queued"


def main(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "crt"), os.path.join(folder, "key"))
    handler = Handler(folder)
    common = dict(hostname="127.0.0.1", port=0, authenticator=authenticate, data_size_limit=20000)
    controllers = {
        "starttls": Controller(handler, tls_context=context, require_starttls=True,
                               auth_required=True, **common),
        "tls": Controller(handler, ssl_context=context, auth_require_tls=False, **common),
        "plain": Controller(handler, auth_require_tls=False, **common),
        "login": Controller(handler, auth_require_tls=False, auth_exclude_mechanism=["PLAIN"], **common),
    }
    ports = {}
    for name, controller in controllers.items():
        server = start(controller)
        ports[name] = server.sockets[0].getsockname()[1]
    temporary = os.path.join(folder, "ports.new")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(ports, file)
    os.rename(temporary, os.path.join(folder, "ports"))
    threading.Event().wait()


def start(controller):
    """Serves in a thread of its own; gives the listening server. The system chooses the port, which
    the controller's own start does not expect."""
    loop = controller.loop
    make = loop.create_server(controller.factory, host="127.0.0.1", port=0, ssl=controller.ssl_context)
    server = loop.run_until_complete(make)
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    main(sys.argv[1])
