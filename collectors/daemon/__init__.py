"""The worker node's daemon: attaches processes to the network and counts them."""
