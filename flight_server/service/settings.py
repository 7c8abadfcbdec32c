"""SetSessionOptions, GetSessionOptions, CloseSession: the settings of a session as the protocol's options.

A value that is not set takes an option back.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import InvalidValueError
from engine.statements.settings import Settings, SettingValue
from flight_server.proto import flight as messages
from flight_server.service.request import Request
from flight_server.service.sessions import Sessions

__all__ = ["SessionOptions"]


class SessionOptions:
    """Answers the three actions."""

    def __init__(self, sessions: Sessions, settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings

    def set(
        self, request: Request, message: messages.SetSessionOptionsRequest
    ) -> Iterable[messages.SetSessionOptionsResult]:
        """Set what can be set; the answer names what could not. The first option begins the session."""
        result = messages.SetSessionOptionsResult()
        for name, value in sorted(message.session_options.items()):
            if name not in self._settings.names:
                result.errors[name].value = messages.SetSessionOptionsResult.INVALID_NAME
                continue
            try:
                self._settings.set(request.session, name, _plain(value))
            except InvalidValueError:
                result.errors[name].value = messages.SetSessionOptionsResult.INVALID_VALUE
        yield result

    def get(
        self, request: Request, message: messages.GetSessionOptionsRequest
    ) -> Iterable[messages.GetSessionOptionsResult]:
        """The options as they are."""
        del message
        result = messages.GetSessionOptionsResult()
        for name, value in self._settings.session_values(request.session).items():
            option = result.session_options[name]
            match value:
                case bool():
                    option.bool_value = value
                case int():
                    option.int64_value = value
                case float():
                    option.double_value = value
                case str():
                    option.string_value = value
        yield result

    def close(self, request: Request, message: messages.CloseSessionRequest) -> Iterable[messages.CloseSessionResult]:
        """End the session, and what the client has left open in it, or over its connection where it had begun none."""
        del message
        self._sessions.close(request.session, request.holder.origin)
        yield messages.CloseSessionResult(status=messages.CloseSessionResult.CLOSED)


def _plain(value: messages.SessionOptionValue) -> SettingValue:
    match value.WhichOneof("option_value"):
        case None:
            return None
        case "string_list_value":
            return list(value.string_list_value.values)
        case kind:
            found: SettingValue = getattr(value, kind)
            return found
