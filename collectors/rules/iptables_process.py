"""The process that holds python-iptables for one family; the daemon starts it.

Its standard input is a socket: it reads requests there, one line of JSON each, and
answers each with one line.  It ends when the daemon's side is closed, so it cannot
outlive the daemon.  (Standard output would not do: python-iptables puts a pipe in its
place now and then.)
"""

import socket
import sys

import msgspec

from collectors.errors import RulesError
from collectors.rules import iptables_messages as messages
from collectors.rules.iptables_family import FamilyRules
from collectors.rules.xtables_rule import Family


def main(arguments: list[str]) -> None:
    """Serve the family named by the one argument."""
    with socket.socket(fileno=sys.stdin.fileno()) as daemon:
        serve(FamilyRules(Family(arguments[0])), daemon)


def serve(rules: FamilyRules, daemon: socket.socket) -> None:
    """Answer every request until there are no more."""
    decoder = msgspec.json.Decoder(messages.Request)
    with daemon.makefile("rb") as requests:
        for line in requests:
            reply = answer(rules, decoder.decode(line))
            daemon.sendall(msgspec.json.encode(reply) + b"\n")


def answer(rules: FamilyRules, request: messages.Request) -> messages.Reply:
    """Do what *request* asks."""
    try:
        return _do(rules, request)
    except RulesError as error:
        return messages.Refused(error.where, error.expected, error.found, error.mend)


def _do(rules: FamilyRules, request: messages.Request) -> messages.Done:
    match request:
        case messages.Install(plan, jobs):
            rules.install(plan, jobs)
        case messages.Add(jobs):
            rules.add(jobs)
        case messages.Delete(devices):
            rules.delete(devices)
        case messages.Read(plan):
            rows, missing = rules.read(plan)
            return messages.Done(rows=rows, missing=missing)
        case messages.ReadChains(tables, names):
            return messages.Done(chains=rules.read_chains(tables, names))
        case messages.Check(plan, devices, last_targets):
            missing = rules.missing(plan, devices, last_targets)
            return messages.Done(missing=missing)
        case messages.Remove():
            rules.remove()
    return messages.Done()


if __name__ == "__main__":
    main(sys.argv[1:])
