"""An environment of OpenEnv's own kind, served by its own server: what an image of a user would hold."""

import errno
import os
import socket
import sys

import uvicorn
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State


class Task(Action):
    """What an agent asks: to have said something, to read a file, or to reach a host."""

    say: str = ""
    read: str = ""
    reach: str = ""


class Answer(Observation):
    """What came of it."""

    said: str = ""
    result: str = ""


class Echo(Environment):
    """It says what it is asked to say, and tells what the policy let it do."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def reset(self, seed=None, episode_id=None, **_):
        self.steps = 0
        return Answer(said="ready")

    def step(self, action, timeout_s=None, **_):
        self.steps += 1
        return Answer(said=action.say, result=tried(action))

    @property
    def state(self):
        return State(episode_id="one", step_count=self.steps)


def tried(action):
    """Return what came of reading or reaching."""
    try:
        if action.read:
            with open(action.read) as file:
                return file.read()
        if action.reach:
            socket.create_connection((action.reach, 80), 5).close()
            return "reached"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return ""


if __name__ == "__main__":
    uvicorn.run(create_fastapi_app(Echo, Task, Answer), host="0.0.0.0", port=int(sys.argv[1]), log_level="warning")
    os._exit(0)
