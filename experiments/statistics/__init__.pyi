from .aggregates import (
    Aggregate as Aggregate,
    aggregate as aggregate,
    answers as answers,
    bootstrap_interval as bootstrap_interval,
    final as final,
    incumbents as incumbents,
    regret as regret,
)
from .anytime import (
    Reached as Reached,
    mean_over_time as mean_over_time,
    median_needed as median_needed,
    reach as reach,
)
from .inference import (
    a12 as a12,
    compare_all as compare_all,
    compare_over_datasets as compare_over_datasets,
    expected_ranks as expected_ranks,
    holm as holm,
    mann_whitney as mann_whitney,
    rank_datasets as rank_datasets,
)
from .resampling import resample as resample
