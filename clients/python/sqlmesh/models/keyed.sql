MODEL (name shop2.keyed, kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id));
SELECT id, twice FROM shop2.base;
