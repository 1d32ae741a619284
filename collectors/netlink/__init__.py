"""The kernel's netfilter interface over netlink, as far as this software reads it."""
