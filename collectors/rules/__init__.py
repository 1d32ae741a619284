"""Netfilter rules that count a job's packets: one interface, two back ends."""
