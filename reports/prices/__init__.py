"""The price books that come with poolmeter, one TOML file each."""
