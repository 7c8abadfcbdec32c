"""The aggregates of the kernel: a row for each, with what planning needs to know.

`merge` says how parts become a whole: ``value``, the same aggregate over its own values; ``state``, states that the
kernel exports; ``rows``, neither: it gets its rows as they are, since its state cannot leave the kernel or merges to
something else. `steady` says whether it gives the same value in whatever order its rows come: ``always``; over
``exact`` numbers, as integers and decimals are; or ``never``, since it rounds, or takes the row that comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

__all__ = ["AGGREGATES", "Aggregate", "aggregate"]

Merge = Literal["value", "state", "rows"]
Steady = Literal["always", "exact", "never"]


@dataclass(frozen=True)
class Aggregate:
    """What is known of one aggregate function."""

    merge: Merge
    steady: Steady


_UNKNOWN = Aggregate("rows", "never")

_TABLE = """
any_value               state  never
approx_count_distinct   state  never
approx_quantile         state  never
approx_top_k            rows   never
arbitrary               state  never
arg_max                 state  never
arg_max_null            state  never
arg_max_nulls_last      state  never
arg_min                 state  never
arg_min_null            state  never
arg_min_nulls_last      rows   never
argmax                  state  never
argmin                  state  never
array_agg               state  never
avg                     state  exact
bit_and                 value  always
bit_or                  value  always
bit_xor                 value  always
bitstring_agg           rows   never
bool_and                value  always
bool_or                 value  always
combine_aggr            rows   never
corr                    state  never
count                   state  always
count_if                state  always
count_star              state  always
countif                 state  never
covar_pop               state  never
covar_samp              state  never
decimal_average         state  never
entropy                 rows   never
favg                    state  never
first                   state  never
fsum                    state  never
group_concat            state  never
histogram               rows   never
histogram_exact         rows   never
kahan_sum               state  never
kurtosis                state  never
kurtosis_pop            state  never
last                    rows   never
list                    state  never
listagg                 state  never
lttb                    rows   never
mad                     state  never
max                     value  always
max_by                  state  never
mean                    state  never
median                  state  never
min                     value  always
min_by                  state  never
mode                    rows   never
product                 state  never
quantile                state  never
quantile_cont           state  never
quantile_disc           state  never
regr_avgx               state  never
regr_avgy               state  never
regr_count              state  never
regr_intercept          state  never
regr_r2                 state  never
regr_slope              state  never
regr_sxx                state  never
regr_sxy                state  never
regr_syy                state  never
reservoir_quantile      rows   never
sem                     state  never
skewness                state  never
stddev                  state  never
stddev_pop              state  never
stddev_samp             state  never
string_agg              state  never
sum                     state  exact
sum_no_overflow         state  never
sumkahan                state  never
var_pop                 state  never
var_samp                state  never
variance                state  never
variant_group_object    rows   never
"""

AGGREGATES = {
    name: Aggregate(cast(Merge, merge), cast(Steady, steady))
    for name, merge, steady in (line.split() for line in _TABLE.strip().splitlines())
}
"""By name, in lower case."""


def aggregate(name: str) -> Aggregate:
    """What is known of the function of that name; of one that is not listed, what is always right."""
    return AGGREGATES.get(name, _UNKNOWN)
