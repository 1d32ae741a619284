"""Usage records of ended jobs to a Gratia / GRACC server.

What is to be reported is *the ledger's rows less the register's names*: a row that is
durable and whose name is not registered yet is frozen as XML, once; what is frozen is
sent until the server has it, always as the same bytes.  The probe's run knows nothing
of this.

::

    rows ─▶ usage_record ─▶ usage_record_xml ─▶ freeze ─▶ outbox ─▶ send ─▶ server
            (pure)          (bytes)             │  validation        │
                                                └ register           └ transport

    OUTBOX/LANE/               LANE is "live" or "shadow" (built and never sent)
      ledger.json              the one ledger that feeds this outbox
      state.json               failures of the server, when to try again
      delivered/DAY.jsonl      one line for each bundle that the server took
      SCHEDD/making/           bundles that are not registered yet: the intent
      SCHEDD/due/NAME.xml      bundles to be sent; NAME = DAY-DIGEST of the names in it
      SCHEDD/quarantine/       NAME.xml and NAME.json: bytes and the reason
      SCHEDD/names/DAY.names   names of all records that were ever frozen
      SCHEDD/scanned.json      how far the ledger's day files have been looked through

Modules, and what other modules of this package may use of them::

    reporting.py        Reporting; reporting_of(config) -> Reporting
    usage_record.py     UsageRecord; usage_records(job, reporting, runs=()) -> list
    usage_record_xml.py record_xml(record) -> bytes     one line, no line's end
    validation.py       faults_of(record) -> list[str]  why it must not be sent
    bundle.py           envelope(records) -> bytes; records_in(envelope) -> list[bytes];
                        form_body(envelope) -> bytes    command, arg1, from
    outbox.py           Outbox(root, lane): folders, bundles, quarantine, disk limit
    register.py         names that were frozen, a file a day
    freeze.py           freeze(ledger, outbox, reporting, now=) -> Frozen
    transport.py        Server(config): post(body) -> Reply; keep-alive, TLS
    reply.py            judge(Reply) -> "accepted", "refused" or "unavailable"
    send.py             send(outbox, server, now=) -> Sent
    run.py              run_gratia(config, now=) -> GratiaReport (freeze, then send)
    status.py           status(config, now=) -> Status
    metrics.py          write_metrics(path, status)
    cli.py              poolmeter gratia send|status|compare|import-probeconfig
"""
