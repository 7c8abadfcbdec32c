"""What the tests share: the sqllogictest runner, the oracle, comparison, servers, random queries."""
