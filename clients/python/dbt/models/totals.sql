select count(*) as n, max(joined) as last from {{ ref('stg') }}
