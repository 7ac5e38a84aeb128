# %% [markdown]
# # Airport stands that survive the day
#
# Which stand should each aircraft get, so that a late departure does not block the next arrival? In half an hour: look at
# a real day at Newark, plan it by rule of thumb, price the risk of delay, search, and replay every plan on what happened.
#
# **Real:** the flights, their off-block times and the weather. **Reconstructed:** on-block times. **A model:** the airport.

# %%
# On Colab: clone the repository and `pip install -e ".[stands]"` first. Here, `make test` or `make demo` did that.
import os

import numpy as np
import pandas as pd
from matplotlib import pyplot

from demos.stands.airport import load_airport
from demos.stands.config import StandsConfig
from demos.stands.data import load_flights
from demos.stands.learning.delay import climatology, delays, split_by_time
from demos.stands.learning.risk import expected_overlap, sample_delays
from demos.stands.problem import build_problem, plan_cost
from demos.stands.replay import replay
from demos.stands.search.greedy import greedy_buffer, greedy_cost
from demos.stands.search.neighbourhoods import search
from demos.stands.turns import occupation, operating_day
from shared.config import load
from shared.seed import generator

profile = os.environ.get("TRENDLAB_PROFILE", "smoke")
config = load(StandsConfig, "stands", profile)
airport = load_airport(config.data.airport)
flights = load_flights(config.data.flights)
departures = flights.departures
len(departures), len(airport.stands)

# %% [markdown]
# ## Look at the delays first
# The median departure leaves early; the mean is far above it. The tail is what blocks stands.

# %%
delay = delays(departures)
here = (departures["origin"] == airport.iata).to_numpy() & ~np.isnan(delay)
print(pd.Series(delay[here]).describe(percentiles=[0.05, 0.25, 0.5, 0.75, 0.95]).round(1).to_string())
pyplot.hist(np.clip(delay[here], -30, 180), bins=70)
pyplot.xlabel("departure delay [min], clipped")
pyplot.ylabel("departures")
# %% [markdown]
# ## One day of turns
# A turn is an aircraft's stay on a stand. Each takes a stand of its ICAO code or larger.

# %%
turns = operating_day(departures, airport.iata, config.days.first, config.turn)
clock = np.arange(4 * 60, 26 * 60, 5)
occupied = [((turns.sibt <= now) & (turns.sobt > now)).sum() for now in clock]
pyplot.plot(clock / 60, occupied)
pyplot.axhline(len(airport.stands), color="black", linewidth=1)
pyplot.xlabel("hour of the day")
pyplot.ylabel("aircraft on stands, as scheduled")
print(f"{len(turns)} turns, {max(occupied)} at once, {len(airport.stands)} stands")

# %% [markdown]
# ## Rule of thumb: a fixed buffer
# First come, first served, with some minutes between two aircraft. A wide buffer has fewer conflicts and more buses.

# %%
blind = build_problem(turns, airport, config.cost, np.zeros((len(turns), len(turns))))
rows = {}
for buffer in (0, 15, 30, 45):
    result = replay(turns, airport, greedy_buffer(blind, buffer), config)
    rows[f"buffer {buffer} min"] = (result.minutes[0], result.conflicts, result.remote_passengers)
table = pd.DataFrame(rows, index=["conflict minutes", "conflicts", "remote passengers"]).T.round(0)
table

# %% [markdown]
# ## Price the risk
# What delays are usual for this airline at this hour, learned from January to August? Samples of them say how long
# any two turns would meet on one stand. With that price, first come already does better; search does better still.

# %%
split = split_by_time(departures, config.days)
usual = climatology(departures, delay, split.train, config.delay.levels)[turns.table.index]
samples = sample_delays(usual, config.delay.levels, config.delay.scenarios, generator(config.seed, "notebook"))
overlap = expected_overlap(*occupation(turns, samples, config.turn), turns)
problem = build_problem(turns, airport, config.cost, overlap)
start = greedy_cost(problem)
plan, log = search(problem, start, config.search, generator(config.seed, "notebook search"))
for name, one in (("greedy on risk", start), ("search on risk", plan)):
    result = replay(turns, airport, one, config)
    rows[name] = (result.minutes[0], result.conflicts, result.remote_passengers)
print(f"cost {plan_cost(problem, start) / 100:,.0f} -> {plan_cost(problem, plan) / 100:,.0f} conflict minutes")
table = pd.DataFrame(rows, index=["conflict minutes", "conflicts", "remote passengers"]).T.round(0)
table

# %%
assert plan_cost(problem, plan) < 0.95 * plan_cost(problem, start)
assert table.loc["search on risk", "conflict minutes"] < table.loc["buffer 0 min", "conflict minutes"]

# %% [markdown]
# ## Play, and two exercises
# Make buses dearer, `cost = config.cost.model_copy(update={"remote_per_100_pax": 20.0})`, and plan again with it:
# what do fewer buses cost?
#
# 1. Replay the same plans with `config.turn.inbound_share` 0 and 1 (`Replay.minutes` holds both). Does the
#    ranking hold?
# 2. Plan on what really happened (hindsight). How much of the rest could a better forecast win at most?
#
# <details><summary>Solutions</summary>
#
# 1. `replay(...).minutes[1:]` are the shares of `config.evaluation.other_inbound_shares`; see the table "under other
#    on-block rules" of `trendlab run stands`.
# 2. `build_problem(turns, airport, config.cost, real_overlap(job))`, as `demos/stands/plan.py` does: nearly all of it.
# </details>
#
# ## Honest limits
# One day is an anecdote. Arrivals are reconstructed, the airport is a model, and delays of one day rise together, which
# independent samples do not know. `trendlab run stands --profile cpu` judges 92 days.
