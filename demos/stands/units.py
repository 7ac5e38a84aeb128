"""What numbers mean in all plans and costs."""

SCALE = 100  # units of cost in a minute of expected conflict
UNASSIGNED = -1  # the stand position of a turn without a stand
MINUTES_PER_DAY = 1440
