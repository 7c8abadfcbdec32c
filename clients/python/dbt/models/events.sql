{{ config(materialized='incremental', unique_key='id') }}
select id, name, {{ var('round', 1) }} as round from {{ ref('stg') }}
{% if is_incremental() %} where id >= 2 {% endif %}
