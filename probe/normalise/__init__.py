"""From one job ad to one record; pure functions, no input or output.

``job`` puts the record together; each other module fills one group of columns.
"""
