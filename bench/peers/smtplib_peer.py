"""Sends with Python's smtplib: a thread for each connection."""

import smtplib
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import peer

options = peer.options()
# The clock runs once every connection is warm.
ready = threading.Barrier(options.connections + 1)


def work():
    session = smtplib.SMTP(options.host, options.port, options.name)
    session.starttls(context=ssl.create_default_context(cafile=options.ca))
    times = []
    for number in range(options.warm_up + options.count):
        if number == options.warm_up:
            ready.wait()
        began = time.perf_counter()
        session.sendmail(options.sender, [options.to], options.message)
        times.append(time.perf_counter() - began)
    return session, times[options.warm_up :]


with ThreadPoolExecutor(options.connections) as threads:
    workers = [threads.submit(work) for _ in range(options.connections)]
    ready.wait()
    started = time.perf_counter()
    results = [worker.result() for worker in workers]
    seconds = time.perf_counter() - started
for session, _ in results:
    session.quit()
peer.report(seconds, [spent for _, times in results for spent in times])
