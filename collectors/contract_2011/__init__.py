"""The contract of 2011: a pair of scripts makes and removes a job's accounting rules.

``SETUP JOB_ID DEVICE`` makes routing for DEVICE and an iptables chain named JOB_ID
whose rule comments name the attributes, and prints the job's IPv4 address.
``CLEANUP JOB_ID DEVICE`` is its inverse.
"""
