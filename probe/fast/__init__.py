"""The fast reader: many records at once, in whole columns, to the reference's cells.

``text`` cuts a chunk of a history file into lines, ``names`` and ``values`` say what
each line is, ``ads`` holds the values by attribute and record, ``normalise`` mirrors
``probe.normalise``, ``ends`` places the jobs between their neighbours and ``reader``
puts it all together.  A record with anything that is not handled here is given, as
its bytes, to the reference reader; so no rule has two meanings.
"""
