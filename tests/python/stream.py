"""Sends a hundred mails over one call, a bad one among them, and looks whether
each is answered once.

    stream.py HOST:PORT    with the generated stubs on PYTHONPATH
"""

import sys

import grpc
from posthaste.v1 import mail_pb2, mail_service_pb2, mail_service_pb2_grpc

MAILS = 100
BAD = 50


def request(number):
    to = "no at sign" if number == BAD else f"r{number}@example.com"
    return mail_service_pb2.SendMailStreamRequest(
        request_id=f"bulk-{number}",
        mail=mail_pb2.Mail(
            message=mail_pb2.Message(
                from_address=mail_pb2.Address(email="shop@example.com"),
                to=[mail_pb2.Address(email=to)],
                subject=f"Mail {number}",
                text="One of many.\n",
            )
        ),
    )


def main():
    channel = grpc.insecure_channel(sys.argv[1])
    stub = mail_service_pb2_grpc.MailServiceStub(channel)
    answers = {}
    for answer in stub.SendMailStream(map(request, range(MAILS)), timeout=60):
        assert answer.request_id == f"bulk-{answer.request_index}", answer
        assert answer.request_index not in answers, answer
        answers[answer.request_index] = answer
    assert sorted(answers) == list(range(MAILS)), sorted(answers)
    for number, answer in answers.items():
        if number == BAD:
            assert answer.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0], answer
            assert answer.error.violations[0].field == "mail.message.to[0].email", answer
        else:
            assert answer.sent.accepted_count == 1, answer
    print(f"{MAILS - 1} sent, 1 refused")


main()
