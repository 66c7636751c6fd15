#!/usr/bin/env python3
"""Asks several questions at once, and prints each answer when it is there.

    python3 async_ask.py bridge.db explain "What is a lease?" "What is a token?"
"""

import asyncio
import sys

import tailgate


async def ask(client, service, question):
    try:
        answer = await client.ask(service, question, timeout=60)
        print(f"{question}\n  {answer.text}")
    except tailgate.AskError as error:
        print(f"{question}\n  no answer: {error}")


async def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    where, service, *questions = sys.argv[1:]
    async with tailgate.AsyncClient(where) if "://" in where else tailgate.AsyncClient(db=where) as client:
        await asyncio.gather(*(ask(client, service, question) for question in questions))


if __name__ == "__main__":
    asyncio.run(main())
