{{ config(materialized='incremental', incremental_strategy='append') }}
select id, {{ var('round', 1) }} as round from {{ ref('stg') }}
