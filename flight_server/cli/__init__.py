"""The command `grism`. The only part of flight_server that knows the runtimes: here the program is put together."""
