{{ config(materialized='view') }}
select id, upper(name) || case when id = 2 then '{{ var("suffix", "") }}' else '' end as name, joined
from {{ ref('customers') }}
