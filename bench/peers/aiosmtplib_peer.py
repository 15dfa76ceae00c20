"""Sends with aiosmtplib: a task for each connection."""

import asyncio
import ssl
import time

import aiosmtplib

import peer

options = peer.options()


async def connect():
    session = aiosmtplib.SMTP(
        hostname=options.host,
        port=options.port,
        local_hostname=options.name,
        start_tls=True,
        tls_context=ssl.create_default_context(cafile=options.ca),
    )
    await session.connect()
    return session


async def work(session, count):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await session.sendmail(options.sender, [options.to], options.message)
        times.append(time.perf_counter() - began)
    return times


async def main():
    sessions = [await connect() for _ in range(options.connections)]
    await asyncio.gather(*(work(session, options.warm_up) for session in sessions))
    started = time.perf_counter()
    results = await asyncio.gather(*(work(session, options.count) for session in sessions))
    seconds = time.perf_counter() - started
    for session in sessions:
        await session.quit()
    peer.report(seconds, [spent for times in results for spent in times])


asyncio.run(main())
