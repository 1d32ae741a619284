"""A Gratia collector that stands in for GRACC's: real HTTP(S) on loopback.

It answers as the Go collector of GRACC was seen to answer (gracc-collector 1.1.7,
probed request by request), its faults included: one bad record refuses a bundle, an
unreadable duration is stored as 0 with the reply ``OK``, nothing is deduplicated.
:mod:`~tests.gratia_server.replies` holds the table of replies,
:mod:`~tests.gratia_server.flatten` what becomes of a record, and
:mod:`~tests.gratia_server.faults` what can be made to go wrong.
"""
