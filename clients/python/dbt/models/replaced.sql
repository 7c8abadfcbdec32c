{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='id') }}
select id, {{ var('round', 1) }} as round from {{ ref('stg') }}
