"""`grism user`: the users file. A password comes from the terminal or from standard input, never from an argument."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from flight_server.auth.users import Users, UsersFileError, add_user, remove_user
from flight_server.cli.failures import CommandError

__all__ = ["add", "list_users", "remove"]


def add(arguments: argparse.Namespace) -> int:
    """Add a user, or change one's password and roles."""
    try:
        add_user(Path(arguments.users), arguments.name, _password(), frozenset(arguments.role or ["reader"]))
    except UsersFileError as error:
        raise CommandError(str(error)) from None
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Remove a user."""
    try:
        remove_user(Path(arguments.users), arguments.name)
    except UsersFileError as error:
        raise CommandError(str(error)) from None
    return 0


def list_users(arguments: argparse.Namespace) -> int:
    """Print each user and their roles."""
    try:
        users = Users(Path(arguments.users)).all()
    except UsersFileError as error:
        raise CommandError(str(error)) from None
    for name, user in sorted(users.items()):
        print(name, ",".join(sorted(user.roles)), sep="\t")
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("The passwords differ.")
    return password
